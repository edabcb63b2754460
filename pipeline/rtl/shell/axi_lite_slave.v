// AXI4-Lite slave for registers outside of it. Every access is answered with OKAY. A write is one
// cycle of `write`, with address and data; it needs all four byte strobes, any other does nothing.
// A read is one cycle of `read`, in which `read_data` must be that of `read_address`; what reading
// clears is cleared in the same cycle.
module axi_lite_slave #(
    parameter ADDRESS_BITS = 14  // >= 1
) (
    input                         clk,
    input                         rst_n,
    input      [ADDRESS_BITS-1:0] s_axi_awaddr,
    input                         s_axi_awvalid,
    output reg                    s_axi_awready,
    input      [            31:0] s_axi_wdata,
    input      [             3:0] s_axi_wstrb,
    input                         s_axi_wvalid,
    output                        s_axi_wready,
    output     [             1:0] s_axi_bresp,
    output reg                    s_axi_bvalid,
    input                         s_axi_bready,
    input      [ADDRESS_BITS-1:0] s_axi_araddr,
    input                         s_axi_arvalid,
    output reg                    s_axi_arready,
    output reg [            31:0] s_axi_rdata,
    output     [             1:0] s_axi_rresp,
    output reg                    s_axi_rvalid,
    input                         s_axi_rready,
    output                        write,
    output     [ADDRESS_BITS-1:0] write_address,
    output     [            31:0] write_data,
    output                        read,
    output reg [ADDRESS_BITS-1:0] read_address,
    input      [            31:0] read_data
);
  // address and data are taken together, once both are there
  assign s_axi_wready = s_axi_awready;
  assign s_axi_bresp = 2'b00;
  assign s_axi_rresp = 2'b00;
  assign write = s_axi_awready & (&s_axi_wstrb);
  assign write_address = s_axi_awaddr;
  assign write_data = s_axi_wdata;
  assign read = s_axi_arready;
  always @(posedge clk) begin
    read_address <= s_axi_araddr;
    if (s_axi_arready) s_axi_rdata <= read_data;
    if (!rst_n) begin
      s_axi_awready <= 1'b0;
      s_axi_bvalid  <= 1'b0;
      s_axi_arready <= 1'b0;
      s_axi_rvalid  <= 1'b0;
    end else begin
      s_axi_awready <= s_axi_awvalid & s_axi_wvalid & ~s_axi_awready & ~s_axi_bvalid;
      s_axi_bvalid  <= s_axi_awready | (s_axi_bvalid & ~s_axi_bready);
      s_axi_arready <= s_axi_arvalid & ~s_axi_arready & ~s_axi_rvalid;
      s_axi_rvalid  <= s_axi_arready | (s_axi_rvalid & ~s_axi_rready);
    end
  end
endmodule
