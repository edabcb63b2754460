// Partial dot product of SIMD inputs and weights, as a sum of popcounts over pairs of bit planes.
//
// Each pair of an input bit and a weight bit adds 2**(input bit + weight bit) times a popcount:
//   weights bipolar, inputs bipolar   XNOR: `sum` counts the agreements
//   weights bipolar, inputs N bits    XNOR with every input bit, the sign bit flipped: one's
//                                     complement instead of a negation
//   weights and inputs N bits         AND; NAND where exactly one of the two is a sign bit
//   weights N bits, inputs bipolar    as for inputs of one unsigned bit b; the accumulator makes
//                                     2b - 1 of it (twice the sum, less the sum of weights)
// So `sum` is unsigned, and differs from the dot product by a constant for each weight row (the +1s
// of the one's complements, the offsets of the sign bits). The accumulator starts from that
// constant. `row_correction` in pipeline/rtl/memories.py is its only definition.
// With TIMING_ONLY `sum` is zero: for models that only count cycles, which depend on no value.
// Latency: 2 + tree over ceil(SIMD / 18) terms + tree over the plane pairs. Runs freely.
module dot_product #(
    parameter SIMD        = 8,  // >= 1
    parameter INPUT_BITS  = 1,  // 1..8
    parameter INPUT_KIND  = 2,  // 0 unsigned, 1 signed, 2 bipolar
    parameter WEIGHT_BITS = 1,  // 1..8
    parameter WEIGHT_KIND = 2,  // 0 unsigned, 1 signed, 2 bipolar
    parameter SUM_BITS    = 4   // holds SIMD * (2**INPUT_BITS - 1) * (2**WEIGHT_BITS - 1)
) (
    input                         clk,
    input  [ SIMD*INPUT_BITS-1:0] inputs,
    input  [SIMD*WEIGHT_BITS-1:0] weights,
    output [        SUM_BITS-1:0] sum
);
  localparam PLANES = INPUT_BITS * WEIGHT_BITS;
  localparam COUNT_BITS = $clog2(SIMD + 1);
  localparam BIPOLAR = 2, SIGNED = 1;
  localparam XNOR = (WEIGHT_KIND == BIPOLAR);
`ifdef TIMING_ONLY
  assign sum = {SUM_BITS{1'b0}};
`else
  wire [PLANES*SUM_BITS-1:0] terms;
  genvar i, x, w;
  generate
    for (x = 0; x < INPUT_BITS; x = x + 1) begin : input_bit
      for (w = 0; w < WEIGHT_BITS; w = w + 1) begin : weight_bit
        localparam SIGNS = (INPUT_KIND == SIGNED && x == INPUT_BITS - 1 ? 1 : 0)
                         + (WEIGHT_KIND == SIGNED && w == WEIGHT_BITS - 1 ? 1 : 0);
        localparam FLIP = (XNOR && SIGNS == 1) ? 1'b1 : 1'b0;
        wire [SIMD-1:0] a, b;
        wire [COUNT_BITS-1:0] count;
        for (i = 0; i < SIMD; i = i + 1) begin : lane
          // a flipped sign bit makes the number unsigned
          assign a[i] = inputs[i*INPUT_BITS+x] ^ FLIP;
          assign b[i] = weights[i*WEIGHT_BITS+w];
        end
        popcount #(
            .LENGTH    (SIMD),
            .OP        (XNOR ? 0 : SIGNS == 1 ? 2 : 1),
            .COUNT_BITS(COUNT_BITS)
        ) plane (
            .clk  (clk),
            .a    (a),
            .b    (b),
            .count(count)
        );
        // COUNT_BITS + x + w <= SUM_BITS
        assign terms[(x*WEIGHT_BITS+w)*SUM_BITS+:SUM_BITS] =
            {{(SUM_BITS - COUNT_BITS) {1'b0}}, count} << (x + w);
      end
    end
  endgenerate
  adder_tree #(
      .TERMS   (PLANES),
      .WIDTH   (SUM_BITS),
      .SUM_BITS(SUM_BITS)
  ) planes (
      .clk  (clk),
      .terms(terms),
      .sum  (sum)
  );
`endif
endmodule
