// Adds TERMS unsigned numbers, with registers after every second level and at the end.
// Latency: (clog2(TERMS) + 1) / 2 cycles, 0 for one term. Runs freely: no stall, no reset.
module adder_tree #(
    parameter TERMS    = 4,  // >= 1
    parameter WIDTH    = 3,  // bits of a term, >= 1
    parameter SUM_BITS = 5   // bits of the sum; the sum must fit, or be wanted modulo 2**SUM_BITS
) (
    input                    clk,
    input  [TERMS*WIDTH-1:0] terms,
    output [SUM_BITS-1:0]    sum
);
  localparam LEVELS = (TERMS > 1) ? $clog2(TERMS) : 0;
  genvar level, i;
  generate
    for (level = 0; level <= LEVELS; level = level + 1) begin : tree
      localparam COUNT = (TERMS + (1 << level) - 1) >> level;
      localparam BITS  = WIDTH + level;
      wire [COUNT*BITS-1:0] value;
      if (level == 0) begin : leaves
        assign value = terms;
      end else begin : sums
        localparam BELOW = (TERMS + (1 << (level - 1)) - 1) >> (level - 1);
        wire [COUNT*BITS-1:0] next;
        for (i = 0; i < COUNT; i = i + 1) begin : pair
          wire [BITS-2:0] a = tree[level-1].value[2*i*(BITS-1)+:BITS-1];
          if (2 * i + 1 < BELOW) begin : add
            wire [BITS-2:0] b = tree[level-1].value[(2*i+1)*(BITS-1)+:BITS-1];
            assign next[i*BITS+:BITS] = {1'b0, a} + {1'b0, b};
          end else begin : pass
            assign next[i*BITS+:BITS] = {1'b0, a};
          end
        end
        if (level % 2 == 0 || level == LEVELS) begin : registered
          reg [COUNT*BITS-1:0] held;
          always @(posedge clk) held <= next;
          assign value = held;
        end else begin : through
          assign value = next;
        end
      end
    end
    if (SUM_BITS <= WIDTH + LEVELS) begin : cut
      assign sum = tree[LEVELS].value[SUM_BITS-1:0];
    end else begin : extend
      assign sum = {{(SUM_BITS - WIDTH - LEVELS) {1'b0}}, tree[LEVELS].value};
    end
  endgenerate
endmodule
