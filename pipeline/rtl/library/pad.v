// Adds zeros around every image: ABOVE rows, BELOW rows, LEFT and RIGHT columns of pixels, each of
// FOLDS beats. Beats of the image come straight from the input. An image begins when its first beat
// is offered, so no zeros of a next image leave before it comes.
module pad #(
    parameter WIDTH  = 8,  // bits of a beat, >= 1
    parameter FOLDS  = 1,  // beats of a pixel, >= 1
    parameter HEIGHT = 4,  // of the input, >= 1
    parameter ROW    = 4,  // pixels of an input row, >= 1
    parameter ABOVE  = 1,  // >= 0
    parameter BELOW  = 1,  // >= 0
    parameter LEFT   = 1,  // >= 0
    parameter RIGHT  = 1   // >= 0
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
  localparam COLUMNS = (LEFT + ROW + RIGHT) * FOLDS;  // in beats
  localparam ROWS = ABOVE + HEIGHT + BELOW;
  localparam X_BITS = $clog2(COLUMNS + 1);
  localparam Y_BITS = $clog2(ROWS + 1);
  localparam [X_BITS-1:0] LAST_X = COLUMNS - 1;
  localparam [X_BITS-1:0] FROM_X = LEFT * FOLDS;
  localparam [X_BITS-1:0] TO_X = (LEFT + ROW) * FOLDS;
  localparam [Y_BITS-1:0] LAST_Y = ROWS - 1;
  localparam [Y_BITS-1:0] FROM_Y = ABOVE;
  localparam [Y_BITS-1:0] TO_Y = ABOVE + HEIGHT;
  reg [X_BITS-1:0] x;
  reg [Y_BITS-1:0] y;
  reg passing_x, passing_y;  // for the beat at x, y; registers, so that nothing waits for a compare
  reg at_start;  // the next beat out is the first of an image
  wire passing = passing_x & passing_y;
  wire last_x = (x == LAST_X);
  wire [X_BITS-1:0] next_x = last_x ? {X_BITS{1'b0}} : x + 1'b1;
  wire [Y_BITS-1:0] next_y = (y == LAST_Y) ? {Y_BITS{1'b0}} : y + 1'b1;
  wire give = m_tvalid & m_tready;
  assign m_tdata  = passing ? s_tdata : {WIDTH{1'b0}};
  assign m_tvalid = s_tvalid | (~passing & ~at_start);
  assign s_tready = passing & m_tready;
  always @(posedge clk)
    if (!rst_n) begin
      x <= 0;
      y <= 0;
      at_start <= 1'b1;
      passing_x <= (LEFT == 0);
      passing_y <= (ABOVE == 0);
    end else if (give) begin
      x <= next_x;
      at_start <= last_x & (y == LAST_Y);
      passing_x <= (next_x == FROM_X) | (passing_x & (next_x != TO_X) & ~last_x) | (last_x & LEFT == 0);
      if (last_x) begin
        y <= next_y;
        passing_y <= (next_y == FROM_Y) | (passing_y & (next_y != TO_Y) & (y != LAST_Y));
      end
    end
endmodule
