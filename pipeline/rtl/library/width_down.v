// Splits each beat into RATIO beats, least significant bits first. Full output rate.
module width_down #(
    parameter WIDTH = 1,  // bits of an output beat, >= 1
    parameter RATIO = 8   // >= 2
) (
    input                    clk,
    input                    rst_n,
    input  [RATIO*WIDTH-1:0] s_tdata,
    input                    s_tvalid,
    output                   s_tready,
    output [      WIDTH-1:0] m_tdata,
    output                   m_tvalid,
    input                    m_tready
);
  localparam COUNT_BITS = $clog2(RATIO + 1);
  localparam [COUNT_BITS-1:0] FULL = RATIO;
  reg [RATIO*WIDTH-1:0] shifted;
  reg [COUNT_BITS-1:0] left;
  wire take = s_tvalid & s_tready;
  wire give = m_tvalid & m_tready;
  assign m_tdata  = shifted[WIDTH-1:0];
  assign m_tvalid = (left != 0);
  assign s_tready = (left == 0) | (left == 1 & m_tready);
  always @(posedge clk) begin
    if (take) shifted <= s_tdata;
    else if (give) shifted <= {{WIDTH{1'b0}}, shifted[RATIO*WIDTH-1:WIDTH]};
    if (!rst_n) left <= 0;
    else if (take) left <= FULL;
    else if (give) left <= left - 1'b1;
  end
endmodule
