// Passes on the beats of an image that FILE marks with 1, and drops the others. Nothing is stored:
// `m_tdata` comes straight from the input.
module select_stream #(
    parameter WIDTH     = 8,  // bits of a beat, >= 1
    parameter BEATS     = 8,  // of an image, >= 2
    parameter KEPT_FILE = "kept.hex"  // a bit for each of them
) (
    input              clk,
    input              rst_n,
    input  [WIDTH-1:0] s_tdata,
    input              s_tvalid,
    output             s_tready,
    output [WIDTH-1:0] m_tdata,
    output             m_tvalid,
    input              m_tready
);
  localparam BITS = $clog2(BEATS);
  localparam [BITS-1:0] LAST = BEATS - 1;
  reg [BITS-1:0] beat;
  wire kept;
  assign m_tdata  = s_tdata;
  assign m_tvalid = s_tvalid & kept;
  assign s_tready = ~kept | m_tready;
  wire take = s_tvalid & s_tready;
  wire [BITS-1:0] next =
      (~rst_n | (take & (beat == LAST))) ? {BITS{1'b0}} : take ? beat + 1'b1 : beat;
  always @(posedge clk) beat <= next;
  rom #(
      .WIDTH(1),
      .DEPTH(BEATS),
      .FILE (KEPT_FILE)
  ) marks (
      .clk(clk),
      .address(next),
      .word(kept)
  );
endmodule
