// Checks the rules of AXI that the shell's masters must keep, and those of our own. Each bit of
// `broken` stays 1 once its rule was broken.
module axi_checker #(
    parameter PORT_BYTES   = 8,
    parameter ADDRESS_BITS = 32
) (
    input                    clk,
    input                    rst_n,
    input [ADDRESS_BITS-1:0] araddr, awaddr,
    input              [7:0] arlen, awlen,
    input              [2:0] arsize, awsize,
    input              [1:0] arburst, awburst,
    input                    arvalid, arready, awvalid, awready,
    input                    rvalid, rready, rlast,
    input [8*PORT_BYTES-1:0] wdata,
    input   [PORT_BYTES-1:0] wstrb,
    input                    wlast, wvalid, wready,
    input                    bvalid, bready,
    output reg        [15:0] broken,
    output reg         [7:0] most_reads, most_writes  // outstanding
);
  localparam WORD_BITS = $clog2(PORT_BYTES);
  localparam [2:0] SIZE = WORD_BITS;
  reg ar_held, aw_held, w_held, in_burst;
  reg [ADDRESS_BITS+12:0] ar_was, aw_was;
  reg [9*PORT_BYTES:0] w_was;
  wire [ADDRESS_BITS+12:0] ar = {araddr, arlen, arsize, arburst};
  wire [ADDRESS_BITS+12:0] aw = {awaddr, awlen, awsize, awburst};
  wire [9*PORT_BYTES:0] w = {wdata, wstrb, wlast};
  wire [8:0] ar_end = {5'd0, araddr[WORD_BITS+:4]} + {1'b0, arlen};
  wire [8:0] aw_end = {5'd0, awaddr[WORD_BITS+:4]} + {1'b0, awlen};

  // lengths of the bursts whose words are to come, in the order of their addresses
  reg [7:0] lengths[0:31];
  reg [4:0] announced, ended;
  reg [7:0] words;
  reg aw_new;  // the address that is offered has not been noted yet
  reg [7:0] reads, writes;
  wire note = awvalid & aw_new;
  wire [7:0] length = (announced == ended) ? awlen : lengths[ended];
  wire w_taken = wvalid & wready;

  always @(posedge clk)
    if (!rst_n) begin
      broken <= 0; most_reads <= 0; most_writes <= 0;
      {ar_held, aw_held, w_held, in_burst} <= 0;
      announced <= 0; ended <= 0; words <= 0; aw_new <= 1; reads <= 0; writes <= 0;
    end else begin
      ar_held <= arvalid & ~arready; ar_was <= ar;
      aw_held <= awvalid & ~awready; aw_was <= aw;
      w_held <= wvalid & ~wready; w_was <= w;
      if (ar_held & (~arvalid | ar != ar_was)) broken[0] <= 1;
      if (aw_held & (~awvalid | aw != aw_was)) broken[1] <= 1;
      if (w_held & (~wvalid | w != w_was)) broken[2] <= 1;
      // a burst stays within an aligned block of 16 words, and is of whole words
      if (arvalid & (ar_end > 15)) broken[3] <= 1;
      if (awvalid & (aw_end > 15)) broken[4] <= 1;
      if (arvalid & (araddr[WORD_BITS-1:0] != 0 | arsize != SIZE | arburst != 1)) broken[5] <= 1;
      if (awvalid & (awaddr[WORD_BITS-1:0] != 0 | awsize != SIZE | awburst != 1)) broken[6] <= 1;
      // words belong to an announced burst, the last one is marked, and none is late
      if (note) begin
        lengths[announced] <= awlen;
        announced <= announced + 1;
      end
      aw_new <= awvalid ? awready : 1'b1;
      if (wvalid & (announced == ended) & ~note) broken[7] <= 1;
      if (w_taken) begin
        if (wlast != (words == length)) broken[8] <= 1;
        words <= wlast ? 0 : words + 1;
        if (wlast) ended <= ended + 1;
      end
      in_burst <= w_taken ? ~wlast : in_burst;
      if (in_burst & ~wvalid) broken[9] <= 1;
      // answers belong to bursts, and no more than 8 bursts are under way
      reads <= reads + {7'd0, arvalid & arready} - {7'd0, rvalid & rready & rlast};
      writes <= writes + {7'd0, note} - {7'd0, bvalid & bready};
      if (rvalid & (reads == 0)) broken[10] <= 1;
      if (bvalid & (writes == 0)) broken[11] <= 1;
      if (reads > 8) broken[12] <= 1;
      if (writes > 8) broken[13] <= 1;
      if (reads > most_reads) most_reads <= reads;
      if (writes > most_writes) most_writes <= writes;
    end
endmodule
