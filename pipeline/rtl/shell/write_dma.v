// Writes a batch of images to memory: an AXI write master. A burst ends where a block of 16 words
// ends, so it has at most 16 words and never crosses a boundary of 4 KiB. It begins when all of its
// words are there, so it never stalls. Up to 8 bursts are outstanding. When the last one has been
// answered, `finished` comes for one cycle. An error does not end the batch early. Beats are
// accepted only while the DMA runs.
// With `stop`, no beat is accepted and no burst begins; `quiet` says that none is under way.
module write_dma #(
    parameter PORT_BYTES   = 8,   // a power of two, >= 2
    parameter ADDRESS_BITS = 32,
    parameter BEAT_BYTES   = 3,   // 1..PORT_BYTES
    parameter UNIT         = 1,   // greatest common divisor of both
    parameter IMAGE_BEATS  = 10   // >= 1
) (
    input                           clk,
    input                           rst_n,
    input                           start,
    input                           stop,
    input      [  ADDRESS_BITS-1:0] address,
    input      [              31:0] images,         // >= 1
    output reg                      finished,
    output                          quiet,
    output                          waiting,        // a beat waits: the FIFO is full
    output                          image_done,     // for one cycle: an image's last beat
    output                          slave_error,    // these two for one cycle
    output                          decode_error,
    input      [  8*BEAT_BYTES-1:0] s_tdata,
    input                           s_tvalid,
    output                          s_tready,
    output     [  ADDRESS_BITS-1:0] m_axi_awaddr,
    output reg [               7:0] m_axi_awlen,
    output reg                      m_axi_awvalid,
    input                           m_axi_awready,
    output reg [  8*PORT_BYTES-1:0] m_axi_wdata,
    output reg [    PORT_BYTES-1:0] m_axi_wstrb,
    output reg                      m_axi_wlast,
    output reg                      m_axi_wvalid,
    input                           m_axi_wready,
    input      [               1:0] m_axi_bresp,
    input                           m_axi_bvalid,
    output                          m_axi_bready
);
  localparam WORD_BITS = $clog2(PORT_BYTES);
  localparam BLOCK_BITS = WORD_BITS + 4;
  localparam BEAT_BITS = (IMAGE_BEATS > 1) ? $clog2(IMAGE_BEATS) : 1;
  localparam [PORT_BYTES-1:0] EVERY = {PORT_BYTES{1'b1}};
  localparam [BEAT_BITS-1:0] LAST_BEAT = IMAGE_BEATS - 1;

  // beats into the FIFO
  reg gathering;
  reg [BEAT_BITS-1:0] beat;
  reg [31:0] images_left;
  reg last_image;
  wire [5:0] write_place;
  wire [WORD_BITS-1:0] tail;
  wire full;
  wire push = s_tvalid & s_tready;
  wire last_beat = image_done & last_image;
  assign s_tready = gathering & ~full & ~stop;
  assign waiting = s_tvalid & gathering & full;
  assign image_done = push & (beat == LAST_BEAT);

  // words out of it
  reg active, sending;
  reg [ADDRESS_BITS-BLOCK_BITS-1:0] block;
  reg [3:0] first;  // word of the block with which the burst begins
  reg [3:0] last;   // and ends
  reg [3:0] outstanding;
  reg [5:0] read_place;
  wire [8*PORT_BYTES-1:0] read_data;
  wire [5:0] read_next = read_place + 1'b1;
  wire whole_block = (write_place[5:4] != read_place[5:4]);
  wire rest = ~gathering & (write_place != read_place);
  wire begins = active & ~sending & ~m_axi_awvalid & ~outstanding[3] & ~stop & (whole_block | rest);
  wire [3:0] burst_last = whole_block ? 4'd15 : write_place[3:0] - 1'b1;
  wire fetch = sending & (~m_axi_wvalid | m_axi_wready);
  wire burst_end = fetch & (read_place[3:0] == last);
  wire batch_end = ~gathering & (read_next == write_place);
  wire answered = m_axi_bvalid & m_axi_bready;
  wire accepted = m_axi_awvalid & m_axi_awready;
  wire nothing_left = active & ~gathering & (write_place == read_place) & quiet;

  assign m_axi_awaddr = {block, first, {WORD_BITS{1'b0}}};
  assign m_axi_bready = 1'b1;
  assign quiet = ~sending & ~m_axi_awvalid & ~m_axi_wvalid & (outstanding == 0);
  assign slave_error = answered & (m_axi_bresp == 2'b10);
  assign decode_error = answered & (m_axi_bresp == 2'b11);

  beat_gather #(
      .PORT_BYTES(PORT_BYTES),
      .BEAT_BYTES(BEAT_BYTES),
      .UNIT(UNIT)
  ) gather (
      .clk(clk),
      .start(start),
      .first(address[BLOCK_BITS-1:WORD_BITS]),
      .s_tdata(s_tdata),
      .s_tlast(last_beat),
      .s_tvalid(push),
      .full(full),
      .write_place(write_place),
      .tail(tail),
      .read_place(read_place),
      .read_data(read_data)
  );

  always @(posedge clk) begin
    if (start) begin
      block <= address[ADDRESS_BITS-1:BLOCK_BITS];
      first <= address[BLOCK_BITS-1:WORD_BITS];
      read_place <= {2'd0, address[BLOCK_BITS-1:WORD_BITS]};
      images_left <= images;
      last_image <= (images == 1);
    end else begin
      if (accepted) begin
        block <= block + 1'b1;
        first <= 4'd0;
      end
      if (fetch) read_place <= read_next;
      if (image_done) begin
        images_left <= images_left - 1'b1;
        last_image <= (images_left == 2);
      end
    end
    if (begins) begin
      m_axi_awlen <= {4'd0, burst_last - first};
      last <= burst_last;
    end
    if (fetch) begin
      m_axi_wdata <= read_data;
      m_axi_wlast <= burst_end;
      m_axi_wstrb <= (batch_end & (tail != 0)) ? ~(EVERY << tail) : EVERY;
    end
    if (!rst_n) begin
      active <= 1'b0;
      gathering <= 1'b0;
      beat <= 0;
      sending <= 1'b0;
      finished <= 1'b0;
      outstanding <= 4'd0;
      m_axi_awvalid <= 1'b0;
      m_axi_wvalid <= 1'b0;
    end else begin
      active <= start | (active & ~nothing_left);
      gathering <= start | (gathering & ~last_beat);
      if (push) beat <= image_done ? {BEAT_BITS{1'b0}} : beat + 1'b1;
      sending <= begins | (sending & ~burst_end);
      finished <= nothing_left;
      if (begins & ~answered) outstanding <= outstanding + 1'b1;
      else if (answered & ~begins) outstanding <= outstanding - 1'b1;
      m_axi_awvalid <= begins | (m_axi_awvalid & ~m_axi_awready);
      m_axi_wvalid <= fetch | (m_axi_wvalid & ~m_axi_wready);
    end
  end
endmodule
