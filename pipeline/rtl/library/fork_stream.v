// Copies every beat to two outputs. Each output takes it once, when it is ready; the input beat is
// done when both have it. Nothing is stored: `m_tdata` and `n_tdata` come straight from the input.
module fork_stream #(
    parameter WIDTH = 8  // bits of a beat, >= 1
) (
    input              clk,
    input              rst_n,
    input  [WIDTH-1:0] s_tdata,
    input              s_tvalid,
    output             s_tready,
    output [WIDTH-1:0] m_tdata,
    output             m_tvalid,
    input              m_tready,
    output [WIDTH-1:0] n_tdata,
    output             n_tvalid,
    input              n_tready
);
  reg m_done, n_done;  // has taken this beat, and the other has not
  assign m_tdata  = s_tdata;
  assign n_tdata  = s_tdata;
  assign m_tvalid = s_tvalid & ~m_done;
  assign n_tvalid = s_tvalid & ~n_done;
  assign s_tready = (m_tready | m_done) & (n_tready | n_done);
  always @(posedge clk)
    if (!rst_n) begin
      m_done <= 1'b0;
      n_done <= 1'b0;
    end else if (s_tvalid) begin
      m_done <= ~s_tready & (m_tready | m_done);
      n_done <= ~s_tready & (n_tready | n_done);
    end
endmodule
