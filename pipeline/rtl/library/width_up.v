// Collects RATIO beats into one, the first in the least significant bits. Full input rate.
module width_up #(
    parameter WIDTH = 1,  // bits of an input beat, >= 1
    parameter RATIO = 8   // >= 2
) (
    input                    clk,
    input                    rst_n,
    input  [      WIDTH-1:0] s_tdata,
    input                    s_tvalid,
    output                   s_tready,
    output [RATIO*WIDTH-1:0] m_tdata,
    output                   m_tvalid,
    input                    m_tready
);
  localparam COUNT_BITS = $clog2(RATIO + 1);
  localparam [COUNT_BITS-1:0] FULL = RATIO;
  reg [RATIO*WIDTH-1:0] shifted;
  reg [COUNT_BITS-1:0] count;
  wire take = s_tvalid & s_tready;
  assign m_tdata  = shifted;
  assign m_tvalid = (count == FULL);
  assign s_tready = ~m_tvalid | m_tready;
  always @(posedge clk) begin
    if (take) shifted <= {s_tdata, shifted[RATIO*WIDTH-1:WIDTH]};
    if (!rst_n) count <= 0;
    else if (m_tvalid & m_tready) count <= {{(COUNT_BITS - 1) {1'b0}}, take};
    else if (take) count <= count + 1'b1;
  end
endmodule
