// Matrix-vector unit: y = thresholds(W x). It computes one SIMD x PE tile of W per cycle, rows in
// the order fold * PE + lane, columns in the order step * SIMD + lane, so a vector takes MH/PE *
// MW/SIMD cycles.
//
// Flow: replay buffer -> fetch (input and weight words) -> dot products -> accumulators -> result.
// What follows the issue of a tile runs freely. A row's last tile is issued only if there will be
// room for its result (credit), so nothing has to be stopped later.
// An accumulator starts from `start`, the row correction of the dot product. With a single
// threshold per row that threshold is subtracted from it, so the result is the inverted sign of the
// accumulator.
module mvau #(
    parameter MW           = 64,  // columns
    parameter MH           = 64,  // rows
    parameter SIMD         = 8,   // divides MW
    parameter PE           = 1,   // divides MH
    parameter INPUT_BITS   = 1,   // 1..8
    parameter INPUT_KIND   = 2,   // 0 unsigned, 1 signed, 2 bipolar (then WEIGHT_KIND is 2 too)
    parameter WEIGHT_BITS  = 1,   // 1..8
    parameter WEIGHT_KIND  = 2,   // 0 unsigned, 1 signed, 2 bipolar
    parameter SUM_SHIFT    = 0,   // 0, 1: the dot product is shifted left by this
    parameter ACC_BITS     = 8,   // holds every final accumulator (less the threshold if STEPS is 1)
    parameter ACC_SIGNED   = 1,   // 0, 1; 1 if STEPS is 1
    parameter STEPS        = 1,   // thresholds per row; 0: the result is the accumulator itself
    parameter OUTPUT_BITS  = 1,   // ACC_BITS if STEPS is 0
    parameter OFFSET       = 0,   // see levels.v, as for the next two; STYLE is 0 if STEPS < 2
    parameter STYLE        = 0,
    parameter BLOCK_LEVEL  = 0,
    parameter BLOCK_ROM    = 0,   // 0 weights in LUTs, 1 in block RAM
    parameter BUFFER_SLOTS = 4,   // vectors the replay buffer holds: a power of two
    // One word per tile at fold * 2**clog2(MW/SIMD) + step if that costs no address bit, else at
    // fold * MW/SIMD + step; PE x SIMD weights, column lanes innermost.
    parameter WEIGHT_FILE    = "weights.hex",
    // One word per fold, PE accumulators.
    parameter START_FILE     = "start.hex",
    // See levels.v: thresholds of ACC_BITS; unused if STEPS < 2.
    parameter THRESHOLD_FILES = "thresholds"
) (
    input                        clk,
    input                        rst_n,
    input  [SIMD*INPUT_BITS-1:0] s_tdata,
    input                        s_tvalid,
    output                       s_tready,
    output [ PE*OUTPUT_BITS-1:0] m_tdata,
    output                       m_tvalid,
    input                        m_tready
);
  localparam STEPS_OF_ROW = MW / SIMD;
  localparam FOLDS = MH / PE;
  localparam STEP_BITS = (STEPS_OF_ROW > 1) ? $clog2(STEPS_OF_ROW) : 1;
  localparam FOLD_BITS = (FOLDS > 1) ? $clog2(FOLDS) : 1;
  localparam SUM_BITS = $clog2(SIMD * ((1 << INPUT_BITS) - 1) * ((1 << WEIGHT_BITS) - 1) + 1);
  // latencies, in cycles from the issue of a tile; see popcount.v and adder_tree.v
  localparam FETCHED = 1 + BLOCK_ROM;
  localparam TILE_LEVELS = $clog2((SIMD + 17) / 18);
  localparam PLANE_LEVELS = $clog2(INPUT_BITS * WEIGHT_BITS);
  localparam SUMMED = FETCHED + 2 + (TILE_LEVELS + 1) / 2 + (PLANE_LEVELS + 1) / 2;
  // see levels.v
  localparam LEVELS = $clog2(STEPS + 1);
  localparam LEAD = (STYLE == 0) ? 1 : (STYLE == 1) ? 0 : (BLOCK_LEVEL == 0) ? 2 : 1;
  localparam DELAY = (STYLE == 2) ? 2 * LEVELS - 1 - (BLOCK_LEVEL > 1 ? BLOCK_LEVEL : 1) : 0;
  localparam LATENCY = SUMMED + 2 + DELAY;

  // ---- issue
  wire [SIMD*INPUT_BITS-1:0] tile_inputs;
  wire [STEP_BITS-1:0] step;
  wire [FOLD_BITS-1:0] fold;
  wire tile_valid, tile_ready, last_step;
  wire credit;  // a finishing row will have room for its result
  wire issue = tile_valid & tile_ready;
  assign tile_ready = ~last_step | credit;
  replay_buffer #(
      .WIDTH  (SIMD * INPUT_BITS),
      .LENGTH (STEPS_OF_ROW),
      .REPEATS(FOLDS),
      .SLOTS  (BUFFER_SLOTS)
  ) inputs (
      .clk(clk),
      .rst_n(rst_n),
      .s_tdata(s_tdata),
      .s_tvalid(s_tvalid),
      .s_tready(s_tready),
      .m_tdata(tile_inputs),
      .m_tvalid(tile_valid),
      .m_tready(tile_ready),
      .m_step(step),
      .m_pass(fold),
      .m_last(last_step)
  );

  // ---- fetch
  reg [SIMD*INPUT_BITS-1:0] fetched_inputs;
  wire [PE*SIMD*WEIGHT_BITS-1:0] fetched_weights;
  generate
    if (BLOCK_ROM) begin : block_fetch
      reg [SIMD*INPUT_BITS-1:0] early;
      always @(posedge clk) begin
        early <= tile_inputs;
        fetched_inputs <= early;
      end
    end else begin : lut_fetch
      always @(posedge clk) fetched_inputs <= tile_inputs;
    end
  endgenerate
  weight_rom #(
      .STEPS    (STEPS_OF_ROW),
      .FOLDS    (FOLDS),
      .WIDTH    (PE * SIMD * WEIGHT_BITS),
      .BLOCK    (BLOCK_ROM),
      .FILE     (WEIGHT_FILE),
      .STEP_BITS(STEP_BITS),
      .FOLD_BITS(FOLD_BITS)
  ) weights (
      .clk(clk),
      .rst_n(rst_n),
      .advance(issue),
      .step(step),
      .fold(fold),
      .word(fetched_weights)
  );

  // ---- what travels with a tile: element k is k cycles behind its issue
  reg [SUMMED:1] valid, first, last;
  reg [DELAY:0] finished;  // element k: the accumulators held complete rows k cycles ago
  integer k;
  always @(posedge clk) begin
    first <= {first[SUMMED-1:1], step == 0};
    last  <= {last[SUMMED-1:1], last_step};
    if (!rst_n) begin
      valid <= 0;
      finished <= 0;
    end else begin
      valid <= {valid[SUMMED-1:1], issue};
      finished[0] <= valid[SUMMED] & last[SUMMED];
      for (k = 1; k <= DELAY; k = k + 1) finished[k] <= finished[k-1];
    end
  end

  // ---- start values: a fold lasts at least STEPS_OF_ROW cycles, which covers part of the delay
  localparam START_DELAY = (SUMMED > STEPS_OF_ROW) ? SUMMED - STEPS_OF_ROW : 0;
  wire [FOLD_BITS-1:0] start_fold;
  wire [PE*ACC_BITS-1:0] start;
  delay #(
      .WIDTH (FOLD_BITS),
      .CYCLES(START_DELAY)
  ) to_start (
      .clk(clk),
      .in (fold),
      .out(start_fold)
  );
  rom #(
      .WIDTH(PE * ACC_BITS),
      .DEPTH(FOLDS),
      .FILE (START_FILE)
  ) starts (
      .clk(clk),
      .address(start_fold),
      .word(start)
  );

  // ---- accumulate and compare
  wire [PE*ACC_BITS-1:0] accumulators;
  wire [PE*OUTPUT_BITS-1:0] result;
  genvar p;
  generate
    if (STEPS > 1) begin : by_thresholds
      wire [FOLD_BITS-1:0] level_fold;
      delay #(
          .WIDTH (FOLD_BITS),
          .CYCLES(SUMMED + 1 - LEAD)
      ) to_levels (
          .clk(clk),
          .in (fold),
          .out(level_fold)
      );
      levels #(
          .PE(PE),
          .FOLDS(FOLDS),
          .BITS(ACC_BITS),
          .SIGNED(ACC_SIGNED),
          .STEPS(STEPS),
          .OUTPUT_BITS(OUTPUT_BITS),
          .OFFSET(OFFSET),
          .STYLE(STYLE),
          .BLOCK_LEVEL(BLOCK_LEVEL),
          .FILES(THRESHOLD_FILES)
      ) quantise (
          .clk  (clk),
          .fold (level_fold),
          .value(accumulators),
          .level(result)
      );
    end
    for (p = 0; p < PE; p = p + 1) begin : lane
      wire [SUM_BITS-1:0] sum;
      wire [ACC_BITS+SUM_BITS-1:0] wide_sum = {{ACC_BITS{1'b0}}, sum} << SUM_SHIFT;
      reg [ACC_BITS-1:0] acc;
      dot_product #(
          .SIMD(SIMD),
          .INPUT_BITS(INPUT_BITS),
          .INPUT_KIND(INPUT_KIND),
          .WEIGHT_BITS(WEIGHT_BITS),
          .WEIGHT_KIND(WEIGHT_KIND),
          .SUM_BITS(SUM_BITS)
      ) dot (
          .clk(clk),
          .inputs(fetched_inputs),
          .weights(fetched_weights[p*SIMD*WEIGHT_BITS+:SIMD*WEIGHT_BITS]),
          .sum(sum)
      );
      // the sum comes first: a carry chain takes its first operand without a table
      always @(posedge clk)
        if (valid[SUMMED])
          acc <= wide_sum[ACC_BITS-1:0] + (first[SUMMED] ? start[p*ACC_BITS+:ACC_BITS] : acc);
      assign accumulators[p*ACC_BITS+:ACC_BITS] = acc;
      if (STEPS == 0) begin : plain
        assign result[p*OUTPUT_BITS+:OUTPUT_BITS] = acc;
      end else if (STEPS == 1) begin : by_sign
        localparam [OUTPUT_BITS-1:0] BELOW = OFFSET;
        assign result[p*OUTPUT_BITS+:OUTPUT_BITS] = acc[ACC_BITS-1] ? BELOW : BELOW + 1'b1;
      end
    end
  endgenerate

  credit_output #(
      .WIDTH  (PE * OUTPUT_BITS),
      .LATENCY(LATENCY),
      .PERIOD (STEPS_OF_ROW)
  ) results (
      .clk(clk),
      .rst_n(rst_n),
      .promise(issue & last_step),
      .credit(credit),
      .arrive(finished[DELAY]),
      .data(result),
      .m_tdata(m_tdata),
      .m_tvalid(m_tvalid),
      .m_tready(m_tready)
  );
endmodule
