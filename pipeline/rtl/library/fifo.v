// First in, first out, in LUT RAM or block RAM, with a registered output. It holds exactly DEPTH
// beats, including the output register. A beat is at the output two cycles after it is accepted, so
// the full rate needs DEPTH >= 3; DEPTH 1 and 2 are legal and slower.
// Simulation: with `limit` (1..DEPTH, set at run time) it behaves exactly as if DEPTH were `limit`;
// `peak` is the greatest number of beats it has held.
module fifo #(
    parameter WIDTH = 8,  // >= 1
    parameter DEPTH = 32, // >= 1
    parameter BLOCK = 0   // 0 LUT RAM, 1 block RAM
) (
    input                  clk,
    input                  rst_n,
    input      [WIDTH-1:0] s_tdata,
    input                  s_tvalid,
    output                 s_tready,
    output reg [WIDTH-1:0] m_tdata,
    output reg             m_tvalid,
    input                  m_tready
);
  localparam ADDRESS_BITS = (DEPTH > 1) ? $clog2(DEPTH) : 1;
  localparam LEVEL_BITS = $clog2(DEPTH + 1);
  reg [ADDRESS_BITS-1:0] write_address, read_address;
  reg [LEVEL_BITS-1:0] level;  // beats held, in memory or at the output
`ifdef VERILATOR
  reg [31:0] limit  /*verilator public_flat_rw*/;
  reg [31:0] peak  /*verilator public_flat_rd*/;
  wire [31:0] wide_level = {{(32 - LEVEL_BITS) {1'b0}}, level};
  initial limit = DEPTH;
  always @(posedge clk)
    if (!rst_n) peak <= 0;
    else if (wide_level > peak) peak <= wide_level;
  assign s_tready = wide_level < limit;
`else
  localparam [LEVEL_BITS-1:0] FULL = DEPTH;
  assign s_tready = (level != FULL);
`endif
  wire push = s_tvalid & s_tready;
  wire pop = m_tvalid & m_tready;
  wire stored = m_tvalid ? (level > 1) : (level != 0);
  wire fetch = stored & (m_tready | ~m_tvalid);
  generate
    if (BLOCK) begin : block
      (* ram_style = "block" *)
      reg [WIDTH-1:0] memory[0:(1 << ADDRESS_BITS)-1];
      always @(posedge clk) begin
        if (push) memory[write_address] <= s_tdata;
        if (fetch) m_tdata <= memory[read_address];
      end
    end else begin : luts
      (* ram_style = "distributed" *)
      reg [WIDTH-1:0] memory[0:(1 << ADDRESS_BITS)-1];
      always @(posedge clk) begin
        if (push) memory[write_address] <= s_tdata;
        if (fetch) m_tdata <= memory[read_address];
      end
    end
  endgenerate
  always @(posedge clk)
    if (!rst_n) begin
      write_address <= 0;
      read_address <= 0;
      level <= 0;
      m_tvalid <= 1'b0;
    end else begin
      if (push) write_address <= write_address + 1'b1;
      if (fetch) read_address <= read_address + 1'b1;
      if (push & ~pop) level <= level + 1'b1;
      else if (pop & ~push) level <= level - 1'b1;
      m_tvalid <= fetch | (m_tvalid & ~m_tready);
    end
endmodule
