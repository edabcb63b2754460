// Counts the positions i < LENGTH where a[i] OP b[i] is true.
// OP: 0 XNOR, 1 AND, 2 NAND. Two 6-input tables turn three positions into a 2-bit count, so the
// operation itself costs nothing. Two 6:3 compressors add six such counts, column by column. An
// adder tree adds the counts of 18 positions each. Runs freely: no stall, no reset.
// Latency: 2 + that of the adder tree over ceil(LENGTH / 18) terms.
module popcount #(
    parameter LENGTH     = 8,  // >= 1
    parameter OP         = 0,  // 0..2
    parameter COUNT_BITS = 4   // clog2(LENGTH + 1)
) (
    input                   clk,
    input  [LENGTH-1:0]     a,
    input  [LENGTH-1:0]     b,
    output [COUNT_BITS-1:0] count
);
  localparam TILES  = (LENGTH + 17) / 18;
  localparam PADDED = 18 * TILES;
  wire [LENGTH-1:0] hit = (OP == 0) ? ~(a ^ b) : (OP == 1) ? a & b : ~(a & b);
  wire [PADDED-1:0] hits;
  wire [5*TILES-1:0] tile_counts;
  genvar t, i;
  generate
    if (PADDED > LENGTH) begin : pad
      assign hits = {{(PADDED - LENGTH) {1'b0}}, hit};
    end else begin : exact
      assign hits = hit;
    end
    for (t = 0; t < TILES; t = t + 1) begin : tile
      reg [5:0] ones, twos;
      reg [4:0] total;
      wire [2:0] ones_count, twos_count;
      for (i = 0; i < 6; i = i + 1) begin : three
        wire [2:0] x = hits[18*t+3*i+:3];
        always @(posedge clk) begin
          ones[i] <= ^x;
          twos[i] <= (x[0] & x[1]) | (x[0] & x[2]) | (x[1] & x[2]);
        end
      end
      compressor_6_3 ones_column (
          .bits (ones),
          .count(ones_count)
      );
      compressor_6_3 twos_column (
          .bits (twos),
          .count(twos_count)
      );
      always @(posedge clk)
        total <= {{2'b0, ones_count[2:1]} + {1'b0, twos_count}, ones_count[0]};
      assign tile_counts[5*t+:5] = total;
    end
  endgenerate
  adder_tree #(
      .TERMS   (TILES),
      .WIDTH   (5),
      .SUM_BITS(COUNT_BITS)
  ) tree (
      .clk  (clk),
      .terms(tile_counts),
      .sum  (count)
  );
endmodule
