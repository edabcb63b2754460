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
  localparam WORDS = ROW / KERNEL_W * FOLDS;
  localparam BITS = (WORDS > 1) ? $clog2(WORDS) : 1;
  wire first, dropped, complete;
  wire [BITS-1:0] address;
  assign s_tready = ~complete | ~m_tvalid | m_tready;
  wire take = s_tvalid & s_tready;
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
      .complete(complete),
      .address(address)
  );

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
      assign best[p*INPUT_BITS+:INPUT_BITS] = (first | greater) ? a : b;
    end
  endgenerate

  always @(posedge clk) begin
    if (take & ~dropped) memory[address] <= best;
    if (take & complete) m_tdata <= best;
    if (!rst_n) m_tvalid <= 1'b0;
    else m_tvalid <= (take & complete) | (m_tvalid & ~m_tready);
  end
endmodule
