// The walk through a feature map in windows that do not overlap, KERNEL_H x KERNEL_W pixels each, for
// modules that keep one word for each beat of each window of a row. Pixels come one after the other,
// each of FOLDS beats. Rows and columns that do not fill a window are dropped.
module window_walk #(
    parameter FOLDS    = 1,  // beats of a pixel, >= 1
    parameter HEIGHT   = 4,  // of the input, >= KERNEL_H
    parameter ROW      = 4,  // pixels of an input row, >= KERNEL_W
    parameter KERNEL_H = 2,  // >= 1
    parameter KERNEL_W = 2,  // >= 1
    parameter BITS     = (ROW / KERNEL_W * FOLDS > 1) ? $clog2(ROW / KERNEL_W * FOLDS) : 1  // derived
) (
    input                 clk,
    input                 rst_n,
    input                 take,      // a beat is taken, of which the outputs tell:
    output                first,     // it is of a window's first pixel
    output                dropped,   // it is in no window
    output                complete,  // it is of a window's last pixel
    output reg [BITS-1:0] address    // its word
);
  localparam OUT_W = ROW / KERNEL_W;
  localparam OUT_H = HEIGHT / KERNEL_H;
  localparam FOLD_BITS = $clog2(FOLDS + 1) + 1;
  localparam KX_BITS = $clog2(KERNEL_W + 1) + 1;
  localparam KY_BITS = $clog2(KERNEL_H + 1) + 1;
  localparam X_BITS = $clog2(ROW + 1) + 1;
  localparam Y_BITS = $clog2(HEIGHT + 1) + 1;
  // counters run down past zero, where their sign bit says "last"
  localparam signed [FOLD_BITS-1:0] FOLDS_LEFT = FOLDS - 2;
  localparam signed [KX_BITS-1:0] KXS = KERNEL_W - 2;
  localparam signed [KY_BITS-1:0] KYS = KERNEL_H - 2;
  localparam signed [X_BITS-1:0] XS = ROW - 2;
  localparam signed [Y_BITS-1:0] YS = HEIGHT - 2;
  localparam [X_BITS-1:0] RIGHT = ROW - OUT_W * KERNEL_W;  // columns dropped
  localparam [Y_BITS-1:0] BELOW = HEIGHT - OUT_H * KERNEL_H;
  reg [FOLD_BITS-1:0] fold;
  reg [KX_BITS-1:0] kx;
  reg [KY_BITS-1:0] ky;
  reg [X_BITS-1:0] x;
  reg [Y_BITS-1:0] y;
  reg first_x, first_y;  // column and row of a window
  reg dropped_x, dropped_y;
  reg [BITS-1:0] start;  // address of fold 0 of this window
  wire last_fold = fold[FOLD_BITS-1];
  wire last_kx = kx[KX_BITS-1];
  wire last_ky = ky[KY_BITS-1];
  wire last_x = x[X_BITS-1];
  wire last_y = y[Y_BITS-1];
  assign first = first_x & first_y;
  assign dropped = dropped_x | dropped_y;
  assign complete = last_kx & last_ky & ~dropped;

  always @(posedge clk) begin
    if (!rst_n) begin
      fold <= FOLDS_LEFT;
      kx <= KXS;
      ky <= KYS;
      x <= XS;
      y <= YS;
      first_x <= 1'b1;
      first_y <= 1'b1;
      dropped_x <= 1'b0;
      dropped_y <= 1'b0;
      address <= 0;
      start <= 0;
    end else if (take) begin
      fold <= last_fold ? FOLDS_LEFT : fold - 1'b1;
      address <= ~last_fold ? address + 1'b1
          : last_x ? {BITS{1'b0}} : last_kx ? address + 1'b1 : start;
      if (last_fold) begin
        x <= last_x ? XS : x - 1'b1;
        first_x <= last_x | last_kx;
        kx <= (last_x | last_kx) ? KXS : kx - 1'b1;
        start <= last_x ? {BITS{1'b0}} : last_kx ? address + 1'b1 : start;
        // x counts ROW - 2 down to -1: x + 1 columns follow this one
        dropped_x <= ~last_x & (dropped_x | (x + 1'b1 == RIGHT));
      end
      if (last_fold & last_x) begin
        y <= last_y ? YS : y - 1'b1;
        first_y <= last_y | last_ky;
        ky <= (last_y | last_ky) ? KYS : ky - 1'b1;
        dropped_y <= ~last_y & (dropped_y | (y + 1'b1 == BELOW));
      end
    end
  end
endmodule
