// OFFSET + the number of `limits` at or below `value`, with parallel comparators. Combinational.
module step_count #(
    parameter BITS        = 8,  // of value and limits, >= 1
    parameter SIGNED      = 0,  // 0, 1
    parameter STEPS       = 1,  // >= 1
    parameter OUTPUT_BITS = 1,  // >= 1
    parameter OFFSET      = 0   // least output, as its code: 0..2**OUTPUT_BITS-1
) (
    input      [       BITS-1:0] value,
    input      [ STEPS*BITS-1:0] limits,
    output reg [OUTPUT_BITS-1:0] count
);
  wire [STEPS-1:0] reached;
  genvar s;
  generate
    for (s = 0; s < STEPS; s = s + 1) begin : step
      wire [BITS-1:0] limit = limits[s*BITS+:BITS];
      if (SIGNED) begin : with_sign
        assign reached[s] = $signed(value) >= $signed(limit);
      end else begin : without
        assign reached[s] = value >= limit;
      end
    end
  endgenerate
  integer k;
  always @* begin
    count = OFFSET;
    for (k = 0; k < STEPS; k = k + 1) count = count + {{(OUTPUT_BITS - 1) {1'b0}}, reached[k]};
  end
endmodule
