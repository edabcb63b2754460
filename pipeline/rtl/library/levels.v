// Levels of PE values: OFFSET + the number of thresholds at or below each, in one of three styles.
//   0 compare  a comparator for each threshold. <FILES>.hex has one word per fold: PE x STEPS
//              thresholds of BITS, first channel and lowest threshold least significant (with
//              SHARED only STEPS of them, for all channels)
//   1 table    the level of each value in LUTs, see level_table.v
//   2 search   a pipelined binary search among memories, see level_search.v
// In a channel that falls, the level is least + greatest output - that: its complement + TURN. A
// table has it so already; for the others <FILES>_falls.hex has one word per fold: PE bits (with
// SHARED one), 1 where the channel falls.
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
    parameter FALLS       = 0,  // 0, 1: compare and search: some channels may fall
    parameter TURN        = 0,  // least + greatest output + 1, modulo 2**OUTPUT_BITS
    parameter FILES       = "thresholds",
    parameter FOLD_BITS   = (FOLDS > 1) ? $clog2(FOLDS) : 1  // derived
) (
    input                       clk,
    input  [     FOLD_BITS-1:0] fold,
    input  [       PE*BITS-1:0] value,
    output [PE*OUTPUT_BITS-1:0] level
);
  localparam TABLE = 1, SEARCH = 2;
  localparam ROWS = SHARED ? 1 : PE;
  wire [PE*OUTPUT_BITS-1:0] rising;
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
          .level(rising)
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
          .level(rising)
      );
    end else begin : by_comparison
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
            .count (rising[p*OUTPUT_BITS+:OUTPUT_BITS])
        );
      end
    end
    if (FALLS) begin : turned
      // see level_search.v; the bits are read one cycle before the levels are there
      localparam LEVELS = $clog2(STEPS + 1);
      localparam SEARCHED = 2 * LEVELS - (BLOCK_LEVEL > 1 ? BLOCK_LEVEL : 1) - (BLOCK_LEVEL > 0);
      localparam [OUTPUT_BITS-1:0] ADDED = TURN;
      wire [FOLD_BITS-1:0] asked;
      wire [ROWS-1:0] falls;
      delay #(
          .WIDTH (FOLD_BITS),
          .CYCLES((STYLE == SEARCH) ? SEARCHED : 0)
      ) folds (
          .clk(clk),
          .in (fold),
          .out(asked)
      );
      rom #(
          .WIDTH(ROWS),
          .DEPTH(FOLDS),
          .FILE ({FILES, "_falls.hex"})
      ) words (
          .clk(clk),
          .address(asked),
          .word(falls)
      );
      for (p = 0; p < PE; p = p + 1) begin : lane
        wire turn = falls[SHARED?0 : p];
        assign level[p*OUTPUT_BITS+:OUTPUT_BITS] =
            (rising[p*OUTPUT_BITS+:OUTPUT_BITS] ^ {OUTPUT_BITS{turn}})
            + (turn ? ADDED : {OUTPUT_BITS{1'b0}});
      end
    end else begin : as_is
      assign level = rising;
    end
  endgenerate
endmodule
