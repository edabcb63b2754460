// Levels of PE values by binary search among 2**LEVELS - 1 thresholds per channel: OFFSET + the
// number of thresholds at or below the value. A pipeline finds one bit of the level after the
// other, the most significant first. Each bit has a memory of its own for each lane. Runs freely.
// `fold` comes LEAD cycles before its values, their levels come DELAY cycles after them:
//   LEAD = 1, or 2 if BLOCK_LEVEL is 0; DELAY = LEVELS - 1 + LEVELS - max(1, BLOCK_LEVEL)
// <FILES>_<k>_<lane>.hex has FOLDS x 2**k thresholds, at address {fold, bits found so far}; k has
// one decimal digit, lane has four. With SHARED all lanes read _<k>_0000.
module level_search #(
    parameter PE          = 1,  // 1..9999
    parameter FOLDS       = 1,  // >= 1
    parameter SHARED      = 0,  // 0, 1; 1: FOLDS is 1
    parameter BITS        = 8,  // of a value and a threshold, >= 1
    parameter SIGNED      = 0,  // 0, 1
    parameter LEVELS      = 2,  // 1..8
    parameter BLOCK_LEVEL = 2,  // the memories from this level on are block RAM: 0..LEVELS
    parameter OUTPUT_BITS = 2,  // LEVELS..8
    parameter OFFSET      = 0,  // added modulo 2**OUTPUT_BITS
    parameter FILES       = "thresholds",
    parameter FOLD_BITS   = (FOLDS > 1) ? $clog2(FOLDS) : 1  // derived
) (
    input                       clk,
    input  [     FOLD_BITS-1:0] fold,
    input  [       PE*BITS-1:0] value,
    output [PE*OUTPUT_BITS-1:0] level
);
  localparam [OUTPUT_BITS-1:0] LEAST = OFFSET;
  function [31:0] digits(input integer number);
    digits = 32'h30303030 + ((number / 1000) % 10 << 24) + ((number / 100) % 10 << 16)
        + ((number / 10) % 10 << 8) + number % 10;
  endfunction
  genvar k, p;
  generate
    for (k = 0; k < LEVELS; k = k + 1) begin : search
      localparam BLOCK = (k >= BLOCK_LEVEL) ? 1 : 0;
      localparam [31:0] NUMBER = digits(k);
      wire [FOLD_BITS-1:0] asked;  // the fold, at the time its thresholds are read
      wire [PE*BITS-1:0] x;  // the values, at the time their thresholds arrive
      wire [PE*(k+1)-1:0] found;  // the bits so far, that of this level least significant
      if (k == 0) begin : first
        assign asked = fold;
        assign x = value;
      end else begin : later
        localparam BLOCK_BEFORE = (k > BLOCK_LEVEL) ? 1 : 0;
        delay #(
            .WIDTH (FOLD_BITS),
            .CYCLES(1 + BLOCK_BEFORE)
        ) folds (
            .clk(clk),
            .in (search[k-1].asked),
            .out(asked)
        );
        delay #(
            .WIDTH (PE * BITS),
            .CYCLES(1 + BLOCK)
        ) values (
            .clk(clk),
            .in (search[k-1].x),
            .out(x)
        );
      end
      for (p = 0; p < PE; p = p + 1) begin : lane
        localparam [31:0] LANE = digits(SHARED ? 0 : p);
        localparam DEPTH = FOLDS << k;
        localparam ADDRESS_BITS = (DEPTH > 1) ? $clog2(DEPTH) : 1;
        wire [ADDRESS_BITS-1:0] address;
        wire [BITS-1:0] limit;
        wire [BITS-1:0] mine = x[p*BITS+:BITS];
        wire reached;
        rom #(
            .WIDTH(BITS),
            .DEPTH(DEPTH),
            .BLOCK(BLOCK),
            .FILE ({FILES, "_", NUMBER[7:0], "_", LANE, ".hex"})
        ) limits (
            .clk(clk),
            .address(address),
            .word(limit)
        );
        if (SIGNED) begin : with_sign
          assign reached = $signed(mine) >= $signed(limit);
        end else begin : without
          assign reached = mine >= limit;
        end
        if (k == 0) begin : first
          assign address = asked;
          assign found[p] = reached;
        end else begin : later
          wire [k-1:0] so_far = search[k-1].found[p*k+:k];
          wire [k-1:0] kept;
          delay #(
              .WIDTH (k),
              .CYCLES(1 + BLOCK)
          ) bits (
              .clk(clk),
              .in (so_far),
              .out(kept)
          );
          assign found[p*(k+1)+:k+1] = {kept, reached};
          if (FOLDS == 1) begin : one_fold
            assign address = so_far;
          end else begin : folds
            assign address = {asked, so_far};
          end
        end
      end
    end
    for (p = 0; p < PE; p = p + 1) begin : result
      wire [LEVELS-1:0] steps = search[LEVELS-1].found[p*LEVELS+:LEVELS];
      if (OUTPUT_BITS > LEVELS) begin : extend
        assign level[p*OUTPUT_BITS+:OUTPUT_BITS] = LEAST + {{(OUTPUT_BITS - LEVELS) {1'b0}}, steps};
      end else begin : as_is
        assign level[p*OUTPUT_BITS+:OUTPUT_BITS] = LEAST + steps;
      end
    end
  endgenerate
endmodule
