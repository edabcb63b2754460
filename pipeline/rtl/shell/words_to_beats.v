// Cuts the words of a batch into beats of whole bytes, the first byte of a word in the least
// significant bits. A word may hold the end of one beat and the start of the next; the last word of
// a batch may hold fewer bytes, and the next batch begins with a word of its own. One beat or one
// word a cycle.
module words_to_beats #(
    parameter PORT_BYTES = 8,  // a power of two, >= 2
    parameter BEAT_BYTES = 3,  // 1..PORT_BYTES
    parameter UNIT       = 1   // their greatest common divisor
) (
    input                             clk,
    input                             rst_n,
    input      [    8*PORT_BYTES-1:0] s_tdata,
    input      [$clog2(PORT_BYTES):0] s_tbytes,  // valid bytes of the word
    input                             s_tvalid,
    output                            s_tready,
    output reg [    8*BEAT_BYTES-1:0] m_tdata,
    output reg                        m_tvalid,
    input                             m_tready
);
  // all sizes and places count units
  localparam WORD_UNITS = PORT_BYTES / UNIT;
  localparam BEAT_UNITS = BEAT_BYTES / UNIT;
  localparam UNIT_BITS = $clog2(UNIT);
  localparam SIZE_BITS = $clog2(WORD_UNITS) + 1;
  localparam [SIZE_BITS-1:0] BEAT = BEAT_UNITS;
  localparam [SIZE_BITS-1:0] WORD = WORD_UNITS;
  reg [8*PORT_BYTES-1:0] current, following;
  reg [SIZE_BITS-1:0] current_size, following_size;
  reg current_valid, following_valid;
  reg [SIZE_BITS-1:0] place;  // of the next beat in `current`, < WORD_UNITS
  reg [SIZE_BITS-1:0] after;  // its end: place + BEAT

  // Only the last word of a batch is short, and it ends where a beat ends.
  wire over = after[SIZE_BITS-1];
  wire [SIZE_BITS-1:0] rest = after & (WORD - 1'b1);
  wire straddles = over & (rest != 0);
  wire ends_current = ~over & (after == current_size);
  wire ends_following = straddles & (rest == following_size);
  wire [SIZE_BITS-1:0] next = (ends_current | ends_following) ? {SIZE_BITS{1'b0}} : rest;
  wire available = current_valid & (~straddles | following_valid);
  wire give = available & (~m_tvalid | m_tready);
  wire advance = ~current_valid | (give & (over | ends_current));
  wire take = s_tvalid & s_tready;
  assign s_tready = ~following_valid | advance;

  // the beat is selected by half words, quarter words and so on
  genvar level;
  generate
    if (WORD_UNITS == 1) begin : same
      always @(posedge clk) if (give) m_tdata <= current[8*BEAT_BYTES-1:0];
    end else begin : shifts
      localparam LEVELS = $clog2(WORD_UNITS);
      wire [16*PORT_BYTES-1:0] both[0:LEVELS];
      assign both[0] = {following, current};
      for (level = 0; level < LEVELS; level = level + 1) begin : half
        localparam SHIFT = 8 * UNIT * (WORD_UNITS >> (level + 1));
        assign both[level+1] = place[LEVELS-1-level] ? both[level] >> SHIFT : both[level];
      end
      always @(posedge clk) if (give) m_tdata <= both[LEVELS][8*BEAT_BYTES-1:0];
    end
  endgenerate

  always @(posedge clk) begin
    if (take) begin
      following <= s_tdata;
      following_size <= s_tbytes[UNIT_BITS+:SIZE_BITS];
    end
    if (advance) begin
      current <= following;
      current_size <= following_size;
    end
    if (!rst_n) begin
      current_valid <= 1'b0;
      following_valid <= 1'b0;
      place <= 0;
      after <= BEAT;
      m_tvalid <= 1'b0;
    end else begin
      if (advance) current_valid <= following_valid & ~(give & ends_following);
      following_valid <= take | (following_valid & ~advance);
      if (give) begin
        place <= next;
        after <= next + BEAT;
      end
      m_tvalid <= give | (m_tvalid & ~m_tready);
    end
  end
endmodule
