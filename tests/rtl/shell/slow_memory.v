// Delays the addresses of bursts by `latency` cycles each; the bursts overlap.
module slow_memory #(
    parameter WIDTH = 32
) (
    input              clk,
    input              rst_n,
    input       [15:0] latency,
    input  [WIDTH-1:0] s_tdata,
    input              s_tvalid,
    output             s_tready,
    output [WIDTH-1:0] m_tdata,
    output             m_tvalid,
    input              m_tready
);
  reg [WIDTH-1:0] data[0:15];
  reg [15:0] due[0:15];
  reg [4:0] written, given;
  reg [15:0] now;
  wire [15:0] early = due[given[3:0]] - now;
  assign s_tready = (written - given != 16);
  assign m_tdata = data[given[3:0]];
  assign m_tvalid = (written != given) & (early == 0 | early[15]);
  always @(posedge clk)
    if (!rst_n) begin
      written <= 0;
      given <= 0;
      now <= 0;
    end else begin
      now <= now + 1;
      if (s_tvalid & s_tready) begin
        data[written[3:0]] <= s_tdata;
        due[written[3:0]] <= now + latency;
        written <= written + 1;
      end
      if (m_tvalid & m_tready) given <= given + 1;
    end
endmodule
