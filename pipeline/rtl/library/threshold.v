// y[c] = OFFSET + number of thresholds of channel c at or below x[c], PE channels a beat.
// One register behind parallel comparators; the thresholds of the next beat are fetched ahead.
// FILE: one word per fold, PE x STEPS thresholds of COMPARE_BITS, first channel and lowest
// threshold least significant, as signed or unsigned as the input.
module threshold #(
    parameter PE           = 1,  // >= 1
    parameter FOLDS        = 1,  // channels / PE, >= 1
    parameter INPUT_BITS   = 8,  // 1..16
    parameter INPUT_KIND   = 0,  // 0 unsigned, 1 signed
    parameter COMPARE_BITS = 8,  // more than INPUT_BITS if a threshold may be one above the input's type
    parameter STEPS        = 1,  // thresholds per channel, >= 1
    parameter OUTPUT_BITS  = 1,  // 1..8
    parameter OFFSET       = 0,  // least output, as its code: 0..2**OUTPUT_BITS-1
    parameter FILE         = "thresholds.hex"
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
  localparam WIDTH = PE * STEPS * COMPARE_BITS;
  localparam FOLD_BITS = (FOLDS > 1) ? $clog2(FOLDS) : 1;
  localparam [FOLD_BITS-1:0] LAST = FOLDS - 1;
  (* ram_style = "registers", rom_style = "distributed" *)
  reg [WIDTH-1:0] memory[0:FOLDS-1];
  initial $readmemh(FILE, memory);
  reg [FOLD_BITS-1:0] fold;  // the one to be fetched next
  reg [WIDTH-1:0] limits;    // those of the next beat
  reg primed;                // `limits` holds something
  wire take = s_tvalid & s_tready;
  wire fetch = take | ~primed;
  assign s_tready = primed & (m_tready | ~m_tvalid);
  wire [PE*OUTPUT_BITS-1:0] result;

  always @(posedge clk) begin
    if (fetch) limits <= memory[fold];
    if (take) m_tdata <= result;
    if (!rst_n) begin
      fold <= 0;
      primed <= 1'b0;
      m_tvalid <= 1'b0;
    end else begin
      primed <= 1'b1;
      if (fetch) fold <= (fold == LAST) ? {FOLD_BITS{1'b0}} : fold + 1'b1;
      m_tvalid <= take | (m_tvalid & ~m_tready);
    end
  end

  genvar p;
  generate
    for (p = 0; p < PE; p = p + 1) begin : lane
      wire [INPUT_BITS-1:0] x = s_tdata[p*INPUT_BITS+:INPUT_BITS];
      wire [COMPARE_BITS-1:0] value;
      if (COMPARE_BITS > INPUT_BITS) begin : extend
        assign value = {{(COMPARE_BITS - INPUT_BITS) {INPUT_KIND == 1 ? x[INPUT_BITS-1] : 1'b0}}, x};
      end else begin : as_is
        assign value = x;
      end
      step_count #(
          .BITS       (COMPARE_BITS),
          .SIGNED     (INPUT_KIND == 1),
          .STEPS      (STEPS),
          .OUTPUT_BITS(OUTPUT_BITS),
          .OFFSET     (OFFSET)
      ) compare (
          .value (value),
          .limits(limits[p*STEPS*COMPARE_BITS+:STEPS*COMPARE_BITS]),
          .count (result[p*OUTPUT_BITS+:OUTPUT_BITS])
      );
    end
  endgenerate
endmodule
