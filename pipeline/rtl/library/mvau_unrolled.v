// Matrix-vector unit that is not folded at all: it takes a vector and gives all rows of
// y = thresholds(W x) in each cycle. The sums of its rows are made beside it, in a module generated
// from the weights other than zero: `inputs` goes there, and SUM_LATENCY cycles later `sums` comes
// back. See mvau.v for the rest, which is the same.
module mvau_unrolled #(
    parameter MW           = 8,  // columns
    parameter MH           = 8,  // rows
    parameter INPUT_BITS   = 1,  // 1..8
    parameter INPUT_KIND   = 2,  // 0 unsigned, 1 signed, 2 bipolar
    parameter SUM_BITS     = 4,
    parameter SUM_SHIFT    = 0,  // 0, 1: the sums are shifted left by this
    parameter SUM_LATENCY  = 2,  // >= 1
    parameter ACC_BITS     = 8,  // as in mvau.v, up to BLOCK_LEVEL
    parameter ACC_SIGNED   = 1,
    parameter STEPS        = 1,
    parameter OUTPUT_BITS  = 1,
    parameter OFFSET       = 0,
    parameter STYLE        = 0,
    parameter BLOCK_LEVEL  = 0,
    parameter START_FILE   = "start.hex",  // one word: what is added to the sum of each row
    parameter THRESHOLD_FILES = "thresholds"
) (
    input                             clk,
    input                             rst_n,
    output reg [   MW*INPUT_BITS-1:0] inputs,  // as unsigned numbers
    input      [     MH*SUM_BITS-1:0] sums,
    input      [   MW*INPUT_BITS-1:0] s_tdata,
    input                             s_tvalid,
    output                            s_tready,
    output     [  MH*OUTPUT_BITS-1:0] m_tdata,
    output                            m_tvalid,
    input                             m_tready
);
  localparam SUMMED = 1 + SUM_LATENCY;
  // see levels.v
  localparam LEVELS = $clog2(STEPS + 1);
  localparam DELAY = (STYLE == 2) ? 2 * LEVELS - 1 - (BLOCK_LEVEL > 1 ? BLOCK_LEVEL : 1) : 0;
  localparam SIGNED = 1;
  // a flipped sign bit makes the number unsigned
  localparam [INPUT_BITS-1:0] FLIPPED = (INPUT_KIND == SIGNED) ? 1 << (INPUT_BITS - 1) : 0;

  wire credit;  // there will be room for the result
  wire issue = s_tvalid & credit;
  assign s_tready = credit;
  always @(posedge clk) inputs <= s_tdata ^ {MW{FLIPPED}};

  reg [SUMMED+1+DELAY:1] valid;  // element k is k cycles behind the issue
  always @(posedge clk)
    if (!rst_n) valid <= 0;
    else valid <= {valid[SUMMED+DELAY:1], issue};

  wire [MH*ACC_BITS-1:0] start;
  rom #(
      .WIDTH(MH * ACC_BITS),
      .DEPTH(1),
      .FILE (START_FILE)
  ) starts (
      .clk(clk),
      .address(1'b0),
      .word(start)
  );

  wire [MH*ACC_BITS-1:0] accumulators;
  wire [MH*OUTPUT_BITS-1:0] result;
  genvar p;
  generate
    if (STEPS > 1) begin : by_thresholds
      levels #(
          .PE(MH),
          .FOLDS(1),
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
          .fold (1'b0),
          .value(accumulators),
          .level(result)
      );
    end
    for (p = 0; p < MH; p = p + 1) begin : lane
      wire [ACC_BITS+SUM_BITS-1:0] wide_sum =
          {{ACC_BITS{1'b0}}, sums[p*SUM_BITS+:SUM_BITS]} << SUM_SHIFT;
      reg [ACC_BITS-1:0] acc;
      always @(posedge clk) acc <= wide_sum[ACC_BITS-1:0] + start[p*ACC_BITS+:ACC_BITS];
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
      .WIDTH  (MH * OUTPUT_BITS),
      .LATENCY(SUMMED + 2 + DELAY),
      .PERIOD (1)
  ) results (
      .clk(clk),
      .rst_n(rst_n),
      .promise(issue),
      .credit(credit),
      .arrive(valid[SUMMED+1+DELAY]),
      .data(result),
      .m_tdata(m_tdata),
      .m_tvalid(m_tvalid),
      .m_tready(m_tready)
  );
endmodule
