// Reads a batch of images from memory: an AXI read master. A burst ends where a block of 16 words
// ends, so it has at most 16 words and never crosses a boundary of 4 KiB. Up to 8 bursts are
// outstanding. Data goes to the stream without a buffer, and `m_axi_rready` follows the stream.
// After the last word, `finished` comes for one cycle. An error does not end the batch early.
// With `stop`, no burst begins and what arrives is dropped; `quiet` says that none is under way.
//
// The bytes of the batch are never multiplied out. `left` counts those that are known to be left,
// from the start of the current block on: an image's bytes are added while less than a block is
// known, and a block's are taken away for each burst.
module read_dma #(
    parameter PORT_BYTES   = 8,   // a power of two, >= 2
    parameter ADDRESS_BITS = 32,
    parameter IMAGE_BYTES  = 784  // >= 1
) (
    input                            clk,
    input                            rst_n,
    input                            start,
    input                            stop,
    input      [   ADDRESS_BITS-1:0] address,
    input      [               31:0] images,         // >= 1
    output                           finished,
    output                           quiet,
    output                           slave_error,    // these two for one cycle
    output                           decode_error,
    output     [   ADDRESS_BITS-1:0] m_axi_araddr,
    output reg [                7:0] m_axi_arlen,
    output reg                       m_axi_arvalid,
    input                            m_axi_arready,
    input      [   8*PORT_BYTES-1:0] m_axi_rdata,
    input      [                1:0] m_axi_rresp,
    input                            m_axi_rlast,
    input                            m_axi_rvalid,
    output                           m_axi_rready,
    output     [   8*PORT_BYTES-1:0] m_tdata,
    output     [$clog2(PORT_BYTES):0] m_tbytes,      // of the word that belong to the batch
    output                           m_tvalid,
    input                            m_tready
);
  localparam WORD_BITS = $clog2(PORT_BYTES);
  localparam BLOCK_BITS = WORD_BITS + 4;
  localparam LEFT_BITS = $clog2(IMAGE_BYTES + 16 * PORT_BYTES);
  localparam [LEFT_BITS-1:0] IMAGE = IMAGE_BYTES;
  localparam [LEFT_BITS-1:0] BLOCK = 16 * PORT_BYTES;
  localparam [WORD_BITS:0] WORD = PORT_BYTES;

  reg [ADDRESS_BITS-BLOCK_BITS-1:0] block;
  reg [3:0] first;  // word of the block with which the next burst begins
  reg [LEFT_BITS-1:0] left;
  reg [31:0] images_left;  // not yet in `left`
  reg more;  // there are some
  reg issuing;  // not all bursts have been accepted
  reg final_burst;
  reg [3:0] outstanding;

  wire full = (left[LEFT_BITS-1:BLOCK_BITS] != 0);
  wire whole_words = (left[WORD_BITS-1:0] == 0);
  wire [3:0] last = full ? 4'd15 : left[BLOCK_BITS-1:WORD_BITS] - {3'd0, whole_words};
  wire at_most_block = ~full | (left == BLOCK);
  wire grow = issuing & ~m_axi_arvalid & ~full & more;
  wire issue = issuing & ~m_axi_arvalid & (full | ~more) & ~outstanding[3] & ~stop;
  wire accepted = m_axi_arvalid & m_axi_arready;
  wire word = m_axi_rvalid & m_axi_rready;
  wire ended = word & m_axi_rlast;

  assign m_axi_araddr = {block, first, {WORD_BITS{1'b0}}};
  assign m_axi_rready = m_tready | stop;
  assign m_tdata = m_axi_rdata;
  wire last_word = m_axi_rlast & ~issuing & (outstanding == 1);
  assign m_tbytes = (last_word & ~whole_words) ? {1'b0, left[WORD_BITS-1:0]} : WORD;
  assign m_tvalid = m_axi_rvalid & ~stop;
  assign finished = word & last_word;
  assign quiet = ~m_axi_arvalid & (outstanding == 0);
  assign slave_error = word & (m_axi_rresp == 2'b10);
  assign decode_error = word & (m_axi_rresp == 2'b11);

  always @(posedge clk) begin
    if (start) begin
      block <= address[ADDRESS_BITS-1:BLOCK_BITS];
      first <= address[BLOCK_BITS-1:WORD_BITS];
      left <= {{(LEFT_BITS - BLOCK_BITS) {1'b0}}, address[BLOCK_BITS-1:0]};
      images_left <= images;
      more <= 1'b1;
    end else begin
      if (accepted) begin
        block <= block + 1'b1;
        first <= 4'd0;
      end
      if (accepted | grow) left <= left + (grow ? IMAGE : -BLOCK);
      if (grow) begin
        images_left <= images_left - 1'b1;
        more <= (images_left != 1);
      end
    end
    if (issue) begin
      m_axi_arlen <= {4'd0, last - first};
      final_burst <= ~more & at_most_block;
    end
    if (!rst_n) begin
      issuing <= 1'b0;
      m_axi_arvalid <= 1'b0;
      outstanding <= 4'd0;
    end else begin
      issuing <= start | (issuing & ~(accepted & final_burst));
      m_axi_arvalid <= issue | (m_axi_arvalid & ~m_axi_arready);
      if (accepted & ~ended) outstanding <= outstanding + 1'b1;
      else if (ended & ~accepted) outstanding <= outstanding - 1'b1;
    end
  end
endmodule
