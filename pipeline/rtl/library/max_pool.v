// Greatest value of each channel in windows that do not overlap: KERNEL_H x KERNEL_W pixels become
// one. Rows and columns that do not fill a window are dropped. A pixel has FOLDS beats; pixels come
// one after the other. For each window of a row, LUT RAM holds the greatest value so far.
module max_pool #(
    parameter PE         = 1,  // channels of a beat, >= 1
    parameter INPUT_BITS = 1,  // 1..16
    parameter INPUT_KIND = 2,  // 0 unsigned, 1 signed, 2 bipolar
    parameter FOLDS      = 1,  // beats of a pixel, >= 1
    parameter HEIGHT     = 4,  // of the input, >= KERNEL_H
    parameter ROW        = 4,  // pixels of an input row, >= KERNEL_W
    parameter KERNEL_H   = 2,  // >= 1
    parameter KERNEL_W   = 2   // >= 1
) (
    input                          clk,
    input                          rst_n,
    input      [PE*INPUT_BITS-1:0] s_tdata,
    input                          s_tvalid,
    output                         s_tready,
    output reg [PE*INPUT_BITS-1:0] m_tdata,
    output reg                     m_tvalid,
    input                          m_tready
);
  localparam OUT_W = ROW / KERNEL_W;
  localparam OUT_H = HEIGHT / KERNEL_H;
  localparam WORDS = OUT_W * FOLDS;
  localparam BITS = (WORDS > 1) ? $clog2(WORDS) : 1;
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
  reg [BITS-1:0] address, start;  // of this beat; of fold 0 of this window
  wire last_fold = fold[FOLD_BITS-1];
  wire last_kx = kx[KX_BITS-1];
  wire last_ky = ky[KY_BITS-1];
  wire last_x = x[X_BITS-1];
  wire last_y = y[Y_BITS-1];
  wire dropped = dropped_x | dropped_y;
  wire complete = last_kx & last_ky & ~dropped;
  assign s_tready = ~complete | ~m_tvalid | m_tready;
  wire take = s_tvalid & s_tready;

  (* ram_style = "distributed" *)
  reg [PE*INPUT_BITS-1:0] memory[0:(1 << BITS)-1];
  wire [PE*INPUT_BITS-1:0] stored = memory[address];
  wire [PE*INPUT_BITS-1:0] best;
  genvar p;
  generate
    for (p = 0; p < PE; p = p + 1) begin : lane
      wire [INPUT_BITS-1:0] a = s_tdata[p*INPUT_BITS+:INPUT_BITS];
      wire [INPUT_BITS-1:0] b = stored[p*INPUT_BITS+:INPUT_BITS];
      // a bipolar code orders as an unsigned bit
      wire greater = (INPUT_KIND == 1) ? ($signed(a) > $signed(b)) : (a > b);
      assign best[p*INPUT_BITS+:INPUT_BITS] = ((first_x & first_y) | greater) ? a : b;
    end
  endgenerate

  always @(posedge clk) begin
    if (take & ~dropped) memory[address] <= best;
    if (take & complete) m_tdata <= best;
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
      m_tvalid <= 1'b0;
    end else begin
      m_tvalid <= (take & complete) | (m_tvalid & ~m_tready);
      if (take) begin
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
  end
endmodule
