// Stands in for an accelerator: a checksum of each image's beats, given out in beats of its own.
// It takes and gives a beat a cycle, and takes the next image while it gives out the last one's.
module accelerator #(
    parameter IN_BITS   = 24,
    parameter IN_BEATS  = 8,
    parameter OUT_BITS  = 8,
    parameter OUT_BEATS = 1
) (
    input                 clk,
    input                 rst_n,
    input   [IN_BITS-1:0] s_axis_tdata,
    input                 s_axis_tvalid,
    output                s_axis_tready,
    output [OUT_BITS-1:0] m_axis_tdata,
    output                m_axis_tvalid,
    input                 m_axis_tready
);
  reg [63:0] sum, result;
  reg [15:0] beats_in, beats_left;
  wire [255:0] wide = {{(256 - IN_BITS) {1'b0}}, s_axis_tdata};
  wire [63:0] mixed = {sum[62:0], sum[63]} ^ wide[63:0] ^ wide[127:64] ^ wide[191:128] ^ wide[255:192];
  wire last = (beats_in == IN_BEATS - 1);
  wire take = s_axis_tvalid & s_axis_tready;
  wire give = m_axis_tvalid & m_axis_tready;
  wire [255:0] many = {4{result}};
  assign s_axis_tready = ~last | (beats_left == 0) | (beats_left == 1 & give);
  assign m_axis_tvalid = (beats_left != 0);
  assign m_axis_tdata = many[OUT_BITS-1:0];
  always @(posedge clk)
    if (!rst_n) begin
      sum <= 0;
      beats_in <= 0;
      beats_left <= 0;
    end else begin
      if (take) begin
        sum <= last ? 0 : mixed;
        beats_in <= last ? 0 : beats_in + 1;
      end
      if (give) begin
        result <= {result[62:0], result[63]} + 1;
        beats_left <= beats_left - 1;
      end
      if (take & last) begin
        result <= mixed;
        beats_left <= OUT_BEATS;
      end
    end
endmodule
