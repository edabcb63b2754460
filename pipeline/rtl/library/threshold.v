// y[c] = OFFSET + the number of thresholds of channel c at or below x[c], PE channels per beat. In a
// channel that falls it is least + greatest output - that: its complement + TURN. A table has it so
// already; for the other styles <FILES>_falls.hex has one word per fold: PE bits (with SHARED one),
// 1 where the channel falls.
// Compare and table: one register after parallel logic. Search: a pipeline that runs freely, which
// a beat enters only if there will be room for the result (credit).
module threshold #(
    parameter PE           = 1,  // >= 1
    parameter FOLDS        = 1,  // channels / PE, >= 1
    parameter SHARED       = 0,  // 0, 1: one row of thresholds for all channels
    parameter INPUT_BITS   = 8,  // 1..16
    parameter INPUT_KIND   = 0,  // 0 unsigned, 1 signed
    parameter COMPARE_BITS = 8,  // more than INPUT_BITS if a threshold may be one above the input's type
    parameter STEPS        = 1,  // thresholds per channel, 1..255
    parameter OUTPUT_BITS  = 1,  // 1..8
    parameter OFFSET       = 0,  // see levels.v, as for the next ones
    parameter STYLE        = 0,
    parameter BLOCK_LEVEL  = 0,
    parameter FALLS        = 0,  // 0, 1: compare and search: some channels may fall
    parameter TURN         = 0,  // least + greatest output + 1, modulo 2**OUTPUT_BITS
    parameter FILES        = "thresholds"
) (
    input                       clk,
    input                       rst_n,
    input  [ PE*INPUT_BITS-1:0] s_tdata,
    input                       s_tvalid,
    output                      s_tready,
    output [PE*OUTPUT_BITS-1:0] m_tdata,
    output                      m_tvalid,
    input                       m_tready
);
  localparam TABLE = 1, SEARCH = 2;
  localparam ROWS = SHARED ? 1 : FOLDS;
  localparam FOLD_BITS = (ROWS > 1) ? $clog2(ROWS) : 1;
  localparam [FOLD_BITS-1:0] LAST = ROWS - 1;
  // see level_search.v
  localparam LEVELS = $clog2(STEPS + 1);
  localparam LEAD = (BLOCK_LEVEL == 0) ? 2 : 1;
  localparam DELAY = 2 * LEVELS - 1 - (BLOCK_LEVEL > 1 ? BLOCK_LEVEL : 1);

  reg [FOLD_BITS-1:0] fold;  // of the next beat
  wire take = s_tvalid & s_tready;
  wire [FOLD_BITS-1:0] next = take ? ((fold == LAST) ? {FOLD_BITS{1'b0}} : fold + 1'b1) : fold;
  always @(posedge clk)
    if (!rst_n) fold <= 0;
    else fold <= next;

  wire [PE*COMPARE_BITS-1:0] entering, value;
  wire [FOLD_BITS-1:0] asked;
  wire [PE*OUTPUT_BITS-1:0] rising, level;
  genvar p;
  generate
    for (p = 0; p < PE; p = p + 1) begin : lane
      wire [INPUT_BITS-1:0] x = s_tdata[p*INPUT_BITS+:INPUT_BITS];
      if (COMPARE_BITS > INPUT_BITS) begin : extend
        assign entering[p*COMPARE_BITS+:COMPARE_BITS] =
            {{(COMPARE_BITS - INPUT_BITS) {INPUT_KIND == 1 ? x[INPUT_BITS-1] : 1'b0}}, x};
      end else begin : as_is
        assign entering[p*COMPARE_BITS+:COMPARE_BITS] = x;
      end
    end
    if (STYLE == SEARCH) begin : searched
      wire credit;
      reg [LEAD+DELAY:1] under_way;  // element k: a beat was taken k cycles ago
      assign s_tready = credit;
      assign asked = fold;
      delay #(
          .WIDTH (PE * COMPARE_BITS),
          .CYCLES(LEAD)
      ) values (
          .clk(clk),
          .in (entering),
          .out(value)
      );
      integer k;
      always @(posedge clk)
        if (!rst_n) under_way <= 0;
        else begin
          under_way[1] <= take;
          for (k = 2; k <= LEAD + DELAY; k = k + 1) under_way[k] <= under_way[k-1];
        end
      credit_output #(
          .WIDTH  (PE * OUTPUT_BITS),
          .LATENCY(LEAD + DELAY + 1),
          .PERIOD (1)
      ) results (
          .clk(clk),
          .rst_n(rst_n),
          .promise(take),
          .credit(credit),
          .arrive(under_way[LEAD+DELAY]),
          .data(level),
          .m_tdata(m_tdata),
          .m_tvalid(m_tvalid),
          .m_tready(m_tready)
      );
    end else begin : direct
      reg primed;  // what `levels` fetches ahead has arrived
      reg [PE*OUTPUT_BITS-1:0] result;
      reg result_valid;
      assign s_tready = primed & (m_tready | ~m_tvalid);
      assign asked = (STYLE == TABLE) ? fold : next;
      assign value = entering;
      assign m_tdata = result;
      assign m_tvalid = result_valid;
      always @(posedge clk) begin
        if (take) result <= level;
        if (!rst_n) begin
          primed <= 1'b0;
          result_valid <= 1'b0;
        end else begin
          primed <= 1'b1;
          result_valid <= take | (m_tvalid & ~m_tready);
        end
      end
    end
  endgenerate

  levels #(
      .PE(PE),
      .FOLDS(ROWS),
      .SHARED(SHARED),
      .BITS(COMPARE_BITS),
      .SIGNED(INPUT_KIND == 1),
      .STEPS(STEPS),
      .OUTPUT_BITS(OUTPUT_BITS),
      .OFFSET(OFFSET),
      .STYLE(STYLE),
      .BLOCK_LEVEL(BLOCK_LEVEL),
      .FILES(FILES)
  ) quantise (
      .clk(clk),
      .fold(asked),
      .value(value),
      .level(rising)
  );

  generate
    if (FALLS) begin : turned
      localparam LANES = SHARED ? 1 : PE;
      localparam [OUTPUT_BITS-1:0] ADDED = TURN;
      wire [FOLD_BITS-1:0] turning;
      wire [LANES-1:0] falls;
      delay #(
          .WIDTH (FOLD_BITS),
          .CYCLES((STYLE == SEARCH) ? LEAD + DELAY - 1 : 0)
      ) folds (
          .clk(clk),
          .in (asked),
          .out(turning)
      );
      rom #(
          .WIDTH(LANES),
          .DEPTH(ROWS),
          .FILE ({FILES, "_falls.hex"})
      ) words (
          .clk(clk),
          .address(turning),
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
