// Sum of each channel over the PIXELS pixels of an image, each of FOLDS beats, shifted right by
// SHIFT; or, if KERNEL_H is not 0, over windows that do not overlap (see window_walk.v). LUT RAM
// holds the sums so far. The final sums leave while the last pixel of an image or a window arrives.
module sum_pool #(
    parameter PE          = 1,   // channels of a beat, >= 1
    parameter INPUT_BITS  = 4,   // 1..16
    parameter INPUT_KIND  = 0,   // 0 unsigned, 1 signed
    parameter FOLDS       = 1,   // beats of a pixel, >= 1
    parameter PIXELS      = 16,  // of the image or of a window, >= 1
    parameter HEIGHT      = 0,   // of the input, >= KERNEL_H
    parameter ROW         = 0,   // pixels of an input row, >= KERNEL_W
    parameter KERNEL_H    = 0,   // of a window; 0: the whole image
    parameter KERNEL_W    = 1,   // >= 1
    parameter SUM_BITS    = 8,   // holds every sum, >= INPUT_BITS
    parameter SHIFT       = 0,   // >= 0
    parameter OUTPUT_BITS = 8    // holds every shifted sum
) (
    input                           clk,
    input                           rst_n,
    input      [ PE*INPUT_BITS-1:0] s_tdata,
    input                           s_tvalid,
    output                          s_tready,
    output reg [PE*OUTPUT_BITS-1:0] m_tdata,
    output reg                      m_tvalid,
    input                           m_tready
);
  localparam WORDS = (KERNEL_H > 0) ? ROW / KERNEL_W * FOLDS : FOLDS;
  localparam BITS = (WORDS > 1) ? $clog2(WORDS) : 1;
  wire first, last, dropped;  // pixel of the image or of a window; of no window
  wire [BITS-1:0] address;
  assign s_tready = ~last | ~m_tvalid | m_tready;
  wire take = s_tvalid & s_tready;
  generate
    if (KERNEL_H > 0) begin : windows
      window_walk #(
          .FOLDS(FOLDS),
          .HEIGHT(HEIGHT),
          .ROW(ROW),
          .KERNEL_H(KERNEL_H),
          .KERNEL_W(KERNEL_W)
      ) walk (
          .clk(clk),
          .rst_n(rst_n),
          .take(take),
          .first(first),
          .dropped(dropped),
          .complete(last),
          .address(address)
      );
    end else begin : image
      localparam PIXEL_BITS = (PIXELS > 1) ? $clog2(PIXELS) : 1;
      localparam [BITS-1:0] LAST_FOLD = FOLDS - 1;
      localparam [PIXEL_BITS-1:0] LAST_PIXEL = PIXELS - 1;
      reg [BITS-1:0] fold;
      reg [PIXEL_BITS-1:0] pixel;
      reg at_first, at_last;  // registers, so that nothing waits for a compare
      wire last_fold = (fold == LAST_FOLD);
      wire [PIXEL_BITS-1:0] next_pixel = at_last ? {PIXEL_BITS{1'b0}} : pixel + 1'b1;
      assign first = at_first;
      assign last = at_last;
      assign dropped = 1'b0;
      assign address = fold;
      always @(posedge clk)
        if (!rst_n) begin
          fold <= 0;
          pixel <= 0;
          at_first <= 1'b1;
          at_last <= (PIXELS == 1);
        end else if (take) begin
          fold <= last_fold ? {BITS{1'b0}} : fold + 1'b1;
          if (last_fold) begin
            pixel <= next_pixel;
            at_first <= at_last;
            at_last <= (next_pixel == LAST_PIXEL);
          end
        end
    end
  endgenerate

  (* ram_style = "distributed" *)
  reg [PE*SUM_BITS-1:0] memory[0:(1 << BITS)-1];
  wire [PE*SUM_BITS-1:0] stored = memory[address];
  wire [PE*SUM_BITS-1:0] sums;
  wire [PE*OUTPUT_BITS-1:0] shifted;
  genvar p;
  generate
    for (p = 0; p < PE; p = p + 1) begin : lane
      wire [INPUT_BITS-1:0] x = s_tdata[p*INPUT_BITS+:INPUT_BITS];
      wire sign = (INPUT_KIND == 1) ? x[INPUT_BITS-1] : 1'b0;
      wire [SUM_BITS+INPUT_BITS-1:0] wide = {{SUM_BITS{sign}}, x};
      wire [SUM_BITS-1:0] sum =
          wide[SUM_BITS-1:0] + (first ? {SUM_BITS{1'b0}} : stored[p*SUM_BITS+:SUM_BITS]);
      assign sums[p*SUM_BITS+:SUM_BITS] = sum;
      wire fill = (INPUT_KIND == 1) ? sum[SUM_BITS-1] : 1'b0;
      wire [SHIFT+SUM_BITS+OUTPUT_BITS-1:0] long = {{(SHIFT + OUTPUT_BITS) {fill}}, sum};
      assign shifted[p*OUTPUT_BITS+:OUTPUT_BITS] = long[SHIFT+:OUTPUT_BITS];
    end
  endgenerate

  always @(posedge clk) begin
    if (take & ~dropped) memory[address] <= sums;
    if (take & last) m_tdata <= shifted;
    if (!rst_n) m_tvalid <= 1'b0;
    else m_tvalid <= (take & last) | (m_tvalid & ~m_tready);
  end
endmodule
