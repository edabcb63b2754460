// Levels of PE values: OFFSET + the number of thresholds at or below each, in one of three styles.
//   0 compare  a comparator for each threshold. <FILES>.hex has one word per fold: PE x STEPS
//              thresholds of BITS, first channel and lowest threshold least significant (with
//              SHARED only STEPS of them, for all channels)
//   1 table    the level of each value in LUTs, see level_table.v
//   2 search   a pipelined binary search among memories, see level_search.v
// `fold` comes LEAD cycles before its values, their levels come DELAY cycles after them: 1 and 0
// for compare, 0 and 0 for table, for search see level_search.v. Runs freely.
module levels #(
    parameter PE          = 1,  // 1..9999
    parameter FOLDS       = 1,  // >= 1
    parameter SHARED      = 0,  // 0, 1: one row of thresholds for all channels; 1: FOLDS is 1
    parameter BITS        = 8,  // of a value and a threshold, >= 1
    parameter SIGNED      = 0,  // 0, 1
    parameter STEPS       = 1,  // thresholds per channel, 1..255
    parameter OUTPUT_BITS = 1,  // 1..8
    parameter OFFSET      = 0,  // least output, as its code; less the padding if searched
    parameter STYLE       = 0,  // 0 compare, 1 table, 2 search
    parameter BLOCK_LEVEL = 0,  // search: the memories from this level on are block RAM
    parameter FILES       = "thresholds",
    parameter FOLD_BITS   = (FOLDS > 1) ? $clog2(FOLDS) : 1  // derived
) (
    input                       clk,
    input  [     FOLD_BITS-1:0] fold,
    input  [       PE*BITS-1:0] value,
    output [PE*OUTPUT_BITS-1:0] level
);
  localparam TABLE = 1, SEARCH = 2;
  genvar p;
  generate
    if (STYLE == TABLE) begin : by_table
      level_table #(
          .PE(PE),
          .FOLDS(FOLDS),
          .SHARED(SHARED),
          .BITS(BITS),
          .OUTPUT_BITS(OUTPUT_BITS),
          .FILES(FILES)
      ) lookup (
          .fold (fold),
          .value(value),
          .level(level)
      );
    end else if (STYLE == SEARCH) begin : by_search
      level_search #(
          .PE(PE),
          .FOLDS(FOLDS),
          .SHARED(SHARED),
          .BITS(BITS),
          .SIGNED(SIGNED),
          .LEVELS($clog2(STEPS + 1)),
          .BLOCK_LEVEL(BLOCK_LEVEL),
          .OUTPUT_BITS(OUTPUT_BITS),
          .OFFSET(OFFSET),
          .FILES(FILES)
      ) bits (
          .clk(clk),
          .fold(fold),
          .value(value),
          .level(level)
      );
    end else begin : by_comparison
      localparam ROWS = SHARED ? 1 : PE;
      wire [ROWS*STEPS*BITS-1:0] limits;
      rom #(
          .WIDTH(ROWS * STEPS * BITS),
          .DEPTH(FOLDS),
          .FILE ({FILES, ".hex"})
      ) words (
          .clk(clk),
          .address(fold),
          .word(limits)
      );
      for (p = 0; p < PE; p = p + 1) begin : lane
        step_count #(
            .BITS       (BITS),
            .SIGNED     (SIGNED),
            .STEPS      (STEPS),
            .OUTPUT_BITS(OUTPUT_BITS),
            .OFFSET     (OFFSET)
        ) compare (
            .value (value[p*BITS+:BITS]),
            .limits(limits[(SHARED?0 : p)*STEPS*BITS+:STEPS*BITS]),
            .count (level[p*OUTPUT_BITS+:OUTPUT_BITS])
        );
      end
    end
  endgenerate
endmodule
