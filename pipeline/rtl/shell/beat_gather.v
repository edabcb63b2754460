// Gathers beats of whole bytes into words, in LUT RAM of 32 words, the first byte of a word in the
// least significant bits. A beat may end in the word after the one it begins in. Places are words
// of memory: the low bits of `write_place` and `read_place` count within a block of 16 words. A
// batch begins with `start`, at the place `first` of a block. Every lane of bytes is a memory of its
// own, so that a beat is written in one cycle wherever it lies. What `read_place` names is read at
// once. After `last`, `write_place` is behind the last word, which has `tail` bytes (0: all).
module beat_gather #(
    parameter PORT_BYTES = 8,  // a power of two, >= 2
    parameter BEAT_BYTES = 3,  // 1..PORT_BYTES
    parameter UNIT       = 1   // their greatest common divisor
) (
    input                               clk,
    input                               start,
    input      [                   3:0] first,
    input      [      8*BEAT_BYTES-1:0] s_tdata,
    input                               s_tlast,
    input                               s_tvalid,   // and there is room
    output reg                          full,
    output reg [                   5:0] write_place,
    output     [$clog2(PORT_BYTES)-1:0] tail,
    input      [                   5:0] read_place,
    output     [      8*PORT_BYTES-1:0] read_data
);
  // all sizes and places within a word count units
  localparam WORD_UNITS = PORT_BYTES / UNIT;
  localparam BEAT_UNITS = BEAT_BYTES / UNIT;
  localparam UNIT_BITS = $clog2(UNIT);
  localparam LANE_BITS = $clog2(WORD_UNITS);
  localparam SIZE_BITS = LANE_BITS + 1;
  localparam [SIZE_BITS-1:0] BEAT = BEAT_UNITS;
  localparam [SIZE_BITS-1:0] WORD = WORD_UNITS;
  reg [SIZE_BITS-1:0] place;  // of the next beat in its word, < WORD_UNITS
  wire [SIZE_BITS-1:0] after = place + BEAT;
  wire carry = after[SIZE_BITS-1];
  wire [SIZE_BITS-1:0] next = after & (WORD - 1'b1);
  wire [5:0] held = write_place - read_place;
  wire [5:0] write_next = write_place + 1'b1;

  generate
    if (UNIT == PORT_BYTES) begin : whole
      assign tail = 0;
    end else begin : partial
      reg [LANE_BITS-1:0] end_place;
      assign tail = {end_place, {UNIT_BITS{1'b0}}};
      always @(posedge clk) if (s_tvalid) end_place <= next[LANE_BITS-1:0];
    end
  endgenerate

  genvar lane;
  generate
    for (lane = 0; lane < WORD_UNITS; lane = lane + 1) begin : lanes
      localparam [SIZE_BITS-1:0] LANE = lane;
      (* ram_style = "distributed" *)
      reg [8*UNIT-1:0] memory[0:31];
      // which unit of the beat belongs here: past the beat's end, none
      wire below = (LANE < place);
      wire [SIZE_BITS-1:0] part = LANE - place + (below ? WORD : {SIZE_BITS{1'b0}});
      wire [4:0] address = below ? write_next[4:0] : write_place[4:0];
      always @(posedge clk)
        if (s_tvalid & (part < BEAT)) memory[address] <= s_tdata[part*8*UNIT+:8*UNIT];
      assign read_data[lane*8*UNIT+:8*UNIT] = memory[read_place[4:0]];
    end
  endgenerate

  // A beat may need this word and the next one, so it may come while 30 words are held. `full` is a
  // cycle late, in which one more word may be filled.
  always @(posedge clk) full <= (held >= 30);

  always @(posedge clk)
    if (start) begin
      write_place <= {2'd0, first};
      place <= 0;
    end else if (s_tvalid) begin
      place <= next;
      write_place <= write_place + {5'd0, carry} + {5'd0, s_tlast & (next != 0)};
    end
endmodule
