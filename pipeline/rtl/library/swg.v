// Sliding window generator: for every position of a KERNEL_H x KERNEL_W window, row by row, it
// gives out the window's pixels row by row, each of FOLDS beats. A ring buffer of DEPTH words holds
// the pixels.
//
// A window begins only when all of it has arrived, and at its end frees what no later window needs.
// So one signed counter guards both sides of the ring: `ahead` counts the words beyond the window
// and is negative while the window is incomplete. All decisions come from registers: counters run
// down past zero, where their sign bit says "last", and an address moves by one of five constants.
// What follows the issue of a word runs freely, and a word is issued only if there will be room for
// it (credit).
//
// Of a pruned window only KEPT words are given out. Nothing else of it is read: a table has the way
// from each of them to the next one. The ring has room from the FIRST of them to the LAST.
module swg #(
    parameter WIDTH    = 8,   // bits of a beat, >= 1
    parameter FOLDS    = 1,   // beats of a pixel, >= 1
    parameter HEIGHT   = 8,   // of the input, >= KERNEL_H
    parameter ROW      = 8,   // pixels of an input row, >= KERNEL_W
    parameter KERNEL_H = 3,   // >= 1
    parameter KERNEL_W = 3,   // >= 1
    parameter STRIDE_H = 1,   // >= 1
    parameter STRIDE_W = 1,   // >= 1
    parameter DEPTH    = 32,  // words: a power of two, at least a window's span and a stride
    parameter BLOCK    = 0,   // 0 LUT RAM, 1 block RAM
    parameter KEPT     = 0,   // words of a window that are given out; 0: all
    parameter FIRST    = 0,   // with KEPT, the first of them and the last, as a number of words from
    parameter LAST     = 0,   // the window's first word on, where a row of the input has ROW * FOLDS
    parameter JUMP_FILE = "jumps.hex"  // with KEPT: {it is the last, the number of words to the next}
) (
    input              clk,
    input              rst_n,
    input  [WIDTH-1:0] s_tdata,
    input              s_tvalid,
    output             s_tready,
    output [WIDTH-1:0] m_tdata,
    output             m_tvalid,
    input              m_tready
);
  localparam OUT_H = (HEIGHT - KERNEL_H) / STRIDE_H + 1;
  localparam OUT_W = (ROW - KERNEL_W) / STRIDE_W + 1;
  // in words
  localparam LINE = ROW * FOLDS;
  localparam PART = KERNEL_W * FOLDS;  // of a window in one input row
  localparam FROM = (KEPT == 0) ? 0 : FIRST;
  localparam UPTO = (KEPT == 0) ? (KERNEL_H - 1) * LINE + PART : LAST + 1;
  localparam SPAN = UPTO - FROM;
  localparam ACROSS = STRIDE_W * FOLDS;  // from a window to the next one
  localparam DOWN = STRIDE_H * LINE - (OUT_W - 1) * ACROSS;  // from a row's last window
  localparam ON = HEIGHT * LINE - (OUT_H - 1) * STRIDE_H * LINE - (OUT_W - 1) * ACROSS;
  localparam BITS = $clog2(DEPTH);
  // ahead: from -UPTO, or less the longest move, up to DEPTH - SPAN
  localparam MOVE = (ON > DOWN) ? ((ON > ACROSS) ? ON : ACROSS) : ((DOWN > ACROSS) ? DOWN : ACROSS);
  localparam AHEAD_BITS = $clog2(UPTO + MOVE + DEPTH + 1) + 1;
  localparam signed [AHEAD_BITS-1:0] EMPTY = -UPTO;
  localparam [AHEAD_BITS-1:0] FULL = DEPTH - SPAN;

  // ---- the position of the window: each counter is negative at its last value
  localparam X_BITS = $clog2(OUT_W + 1) + 1;
  localparam Y_BITS = $clog2(OUT_H + 1) + 1;
  localparam signed [X_BITS-1:0] XS = OUT_W - 2;
  localparam signed [Y_BITS-1:0] YS = OUT_H - 2;
  reg [X_BITS-1:0] x;
  reg [Y_BITS-1:0] y;
  wire last_x = x[X_BITS-1];
  wire last_y = y[Y_BITS-1];

  reg [AHEAD_BITS-1:0] ahead;
  reg begun;  // the window was begun
  reg [BITS-1:0] write_address, read_address;
  wire credit, window_end;
  wire issue = credit & (begun | ~ahead[AHEAD_BITS-1]);
  wire release_words = issue & window_end;
  assign s_tready = (ahead != FULL);
  wire write = s_tvalid & s_tready;

  // ---- the reading position within the window
  wire [BITS-1:0] onward;  // to the window's next word
  generate
    if (KEPT == 0) begin : whole
      localparam WORD_BITS = $clog2(PART + 1) + 1;
      localparam LINE_BITS = $clog2(KERNEL_H + 1) + 1;
      localparam signed [WORD_BITS-1:0] WORDS = PART - 2;
      localparam signed [LINE_BITS-1:0] LINES = KERNEL_H - 2;
      localparam [BITS-1:0] NEXT_LINE = (LINE - PART + 1) % DEPTH;
      localparam [BITS-1:0] ONE = 1;
      reg [WORD_BITS-1:0] word;
      reg [LINE_BITS-1:0] line;
      wire last_word = word[WORD_BITS-1];
      wire last_line = line[LINE_BITS-1];
      assign window_end = last_word & last_line;
      assign onward = last_word ? NEXT_LINE : ONE;
      always @(posedge clk)
        if (!rst_n) begin
          word <= WORDS;
          line <= LINES;
        end else if (issue) begin
          word <= last_word ? WORDS : word - 1'b1;
          if (last_word) line <= last_line ? LINES : line - 1'b1;
        end
    end else begin : pruned
      localparam PLACE_BITS = (KEPT > 1) ? $clog2(KEPT) : 1;
      reg [PLACE_BITS-1:0] place;
      wire [PLACE_BITS-1:0] next =
          (~rst_n | release_words) ? {PLACE_BITS{1'b0}} : issue ? place + 1'b1 : place;
      always @(posedge clk) place <= next;
      rom #(
          .WIDTH(BITS + 1),
          .DEPTH(KEPT),
          .FILE (JUMP_FILE)
      ) jumps (
          .clk(clk),
          .address(next),
          .word({window_end, onward})
      );
    end
  endgenerate

  // from the last word of a window, a row of windows, an image
  localparam [BITS-1:0] START = FROM % DEPTH;
  localparam [BITS-1:0] NEXT_WINDOW = (ACROSS + 1 + DEPTH - SPAN) % DEPTH;
  localparam [BITS-1:0] NEXT_ROW = (DOWN + 1 + DEPTH - SPAN) % DEPTH;
  localparam [BITS-1:0] NEXT_IMAGE = (ON + 1 + DEPTH - SPAN) % DEPTH;
  wire [BITS-1:0] jump =
      ~window_end ? onward : ~last_x ? NEXT_WINDOW : ~last_y ? NEXT_ROW : NEXT_IMAGE;
  localparam [AHEAD_BITS-1:0] FREE_ACROSS = ACROSS;
  localparam [AHEAD_BITS-1:0] FREE_DOWN = DOWN;
  localparam [AHEAD_BITS-1:0] FREE_ON = ON;
  wire [AHEAD_BITS-1:0] freed =
      ~release_words ? {AHEAD_BITS{1'b0}} : ~last_x ? FREE_ACROSS : ~last_y ? FREE_DOWN : FREE_ON;

  always @(posedge clk)
    if (!rst_n) begin
      x <= XS;
      y <= YS;
      ahead <= EMPTY;
      begun <= 1'b0;
      write_address <= 0;
      read_address <= START;
    end else begin
      ahead <= ahead - freed + {{(AHEAD_BITS - 1) {1'b0}}, write};
      if (write) write_address <= write_address + 1'b1;
      if (issue) begin
        read_address <= read_address + jump;
        begun <= ~window_end;
        if (window_end) x <= last_x ? XS : x - 1'b1;
        if (window_end & last_x) y <= last_y ? YS : y - 1'b1;
      end
    end

  // ---- the ring
  reg [WIDTH-1:0] fetched;
  reg arrive;
  generate
    if (BLOCK) begin : block
      (* ram_style = "block" *)
      reg [WIDTH-1:0] memory[0:DEPTH-1];
      always @(posedge clk) begin
        if (write) memory[write_address] <= s_tdata;
        fetched <= memory[read_address];
      end
    end else begin : luts
      (* ram_style = "distributed" *)
      reg [WIDTH-1:0] memory[0:DEPTH-1];
      always @(posedge clk) begin
        if (write) memory[write_address] <= s_tdata;
        fetched <= memory[read_address];
      end
    end
  endgenerate
  always @(posedge clk) arrive <= rst_n & issue;

  credit_output #(
      .WIDTH  (WIDTH),
      .LATENCY(2),
      .PERIOD (1)
  ) results (
      .clk(clk),
      .rst_n(rst_n),
      .promise(issue),
      .credit(credit),
      .arrive(arrive),
      .data(fetched),
      .m_tdata(m_tdata),
      .m_tvalid(m_tvalid),
      .m_tready(m_tready)
  );
endmodule
