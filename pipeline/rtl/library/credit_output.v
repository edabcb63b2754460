// Output stage of a pipeline that cannot stop. `promise` announces a result and may be set only
// while `credit` is high. The result arrives LATENCY-1 cycles later and is valid one cycle after
// that. Promises come at least PERIOD cycles apart. If PERIOD covers the latency, one register is
// enough. Otherwise a FIFO holds as many results as can be under way (at least LEAST), for the full
// rate.
module credit_output #(
    parameter WIDTH   = 1,  // >= 1
    parameter LATENCY = 6,  // >= 1
    parameter PERIOD  = 8,  // >= 1
    parameter LEAST   = 0   // >= 0
) (
    input              clk,
    input              rst_n,
    input              promise,
    output             credit,
    input              arrive,
    input  [WIDTH-1:0] data,
    output [WIDTH-1:0] m_tdata,
    output             m_tvalid,
    input              m_tready
);
  reg [WIDTH-1:0] result;
  reg result_valid;
  always @(posedge clk) if (arrive) result <= data;
  generate
    if (PERIOD >= LATENCY) begin : single
      reg busy;  // promised and not yet taken
      wire taken = m_tvalid & m_tready;
      assign credit   = ~busy | taken;
      assign m_tdata  = result;
      assign m_tvalid = result_valid;
      always @(posedge clk)
        if (!rst_n) begin
          busy <= 1'b0;
          result_valid <= 1'b0;
        end else begin
          busy <= promise | (busy & ~taken);
          result_valid <= arrive | (result_valid & ~m_tready);
        end
    end else begin : queued
      // the FIFO adds two cycles, returning the credit adds one
      localparam UNDER_WAY = (LATENCY + 3 + PERIOD - 1) / PERIOD;
      localparam ROOM = (LEAST > UNDER_WAY) ? LEAST : UNDER_WAY;
      localparam COUNT_BITS = $clog2(ROOM + 1);
      localparam [COUNT_BITS-1:0] FULL = ROOM;
      reg [COUNT_BITS-1:0] pending;
      wire taken = m_tvalid & m_tready;
      wire always_ready;
      assign credit = (pending != FULL);
      always @(posedge clk)
        if (!rst_n) begin
          pending <= 0;
          result_valid <= 1'b0;
        end else begin
          if (promise & ~taken) pending <= pending + 1'b1;
          else if (taken & ~promise) pending <= pending - 1'b1;
          result_valid <= arrive;
        end
      fifo #(
          .WIDTH(WIDTH),
          .DEPTH(ROOM)
      ) queue (
          .clk(clk),
          .rst_n(rst_n),
          .s_tdata(result),
          .s_tvalid(result_valid),
          .s_tready(always_ready),
          .m_tdata(m_tdata),
          .m_tvalid(m_tvalid),
          .m_tready(m_tready)
      );
    end
  endgenerate
endmodule
