// The whole design: the block design with the processor, and the shell with the accelerator. Generated.
module top;
  wire clock;
  wire resetn;
  wire s_axi_control_awvalid;
  wire s_axi_control_awready;
  wire [31:0] s_axi_control_wdata;
  wire [3:0] s_axi_control_wstrb;
  wire s_axi_control_wvalid;
  wire s_axi_control_wready;
  wire [1:0] s_axi_control_bresp;
  wire s_axi_control_bvalid;
  wire s_axi_control_bready;
  wire s_axi_control_arvalid;
  wire s_axi_control_arready;
  wire [31:0] s_axi_control_rdata;
  wire [1:0] s_axi_control_rresp;
  wire s_axi_control_rvalid;
  wire s_axi_control_rready;
  wire [39:0] m_axi_input_araddr;
  wire m_axi_input_arid;
  wire [7:0] m_axi_input_arlen;
  wire [2:0] m_axi_input_arsize;
  wire [1:0] m_axi_input_arburst;
  wire [3:0] m_axi_input_arcache;
  wire [2:0] m_axi_input_arprot;
  wire m_axi_input_arvalid;
  wire m_axi_input_arready;
  wire [127:0] m_axi_input_rdata;
  wire [1:0] m_axi_input_rresp;
  wire m_axi_input_rlast;
  wire m_axi_input_rvalid;
  wire m_axi_input_rready;
  wire [39:0] m_axi_output_awaddr;
  wire m_axi_output_awid;
  wire [7:0] m_axi_output_awlen;
  wire [2:0] m_axi_output_awsize;
  wire [1:0] m_axi_output_awburst;
  wire [3:0] m_axi_output_awcache;
  wire [2:0] m_axi_output_awprot;
  wire m_axi_output_awvalid;
  wire m_axi_output_awready;
  wire [127:0] m_axi_output_wdata;
  wire [15:0] m_axi_output_wstrb;
  wire m_axi_output_wlast;
  wire m_axi_output_wvalid;
  wire m_axi_output_wready;
  wire [1:0] m_axi_output_bresp;
  wire m_axi_output_bvalid;
  wire m_axi_output_bready;
  wire [39:0] control_awaddr;
  wire [39:0] control_araddr;
  wire [5:0] memory_rid;
  wire [5:0] memory_bid;

  system processor (
      .clock(clock),
      .resetn(resetn),
      .control_awaddr(control_awaddr),
      .control_araddr(control_araddr),
      .control_awvalid(s_axi_control_awvalid),
      .control_awready(s_axi_control_awready),
      .control_wdata(s_axi_control_wdata),
      .control_wstrb(s_axi_control_wstrb),
      .control_wvalid(s_axi_control_wvalid),
      .control_wready(s_axi_control_wready),
      .control_bresp(s_axi_control_bresp),
      .control_bvalid(s_axi_control_bvalid),
      .control_bready(s_axi_control_bready),
      .control_arvalid(s_axi_control_arvalid),
      .control_arready(s_axi_control_arready),
      .control_rdata(s_axi_control_rdata),
      .control_rresp(s_axi_control_rresp),
      .control_rvalid(s_axi_control_rvalid),
      .control_rready(s_axi_control_rready),
      .memory_araddr({9'd0, m_axi_input_araddr}),
      .memory_arid({5'd0, m_axi_input_arid}),
      .memory_arlen(m_axi_input_arlen[7:0]),
      .memory_arsize(m_axi_input_arsize),
      .memory_arburst(m_axi_input_arburst),
      .memory_arcache(m_axi_input_arcache),
      .memory_arprot(m_axi_input_arprot),
      .memory_arvalid(m_axi_input_arvalid),
      .memory_arready(m_axi_input_arready),
      .memory_awaddr({9'd0, m_axi_output_awaddr}),
      .memory_awid({5'd0, m_axi_output_awid}),
      .memory_awlen(m_axi_output_awlen[7:0]),
      .memory_awsize(m_axi_output_awsize),
      .memory_awburst(m_axi_output_awburst),
      .memory_awcache(m_axi_output_awcache),
      .memory_awprot(m_axi_output_awprot),
      .memory_awvalid(m_axi_output_awvalid),
      .memory_awready(m_axi_output_awready),
      .memory_rid(memory_rid),
      .memory_rdata(m_axi_input_rdata),
      .memory_rresp(m_axi_input_rresp),
      .memory_rlast(m_axi_input_rlast),
      .memory_rvalid(m_axi_input_rvalid),
      .memory_rready(m_axi_input_rready),
      .memory_wdata(m_axi_output_wdata),
      .memory_wstrb(m_axi_output_wstrb),
      .memory_wlast(m_axi_output_wlast),
      .memory_wvalid(m_axi_output_wvalid),
      .memory_wready(m_axi_output_wready),
      .memory_bid(memory_bid),
      .memory_bresp(m_axi_output_bresp),
      .memory_bvalid(m_axi_output_bvalid),
      .memory_bready(m_axi_output_bready)
  );

  shell shell (
      .clk(clock),
      .rst_n(resetn),
      .s_axi_control_awaddr(control_awaddr[13:0]),
      .s_axi_control_awvalid(s_axi_control_awvalid),
      .s_axi_control_awready(s_axi_control_awready),
      .s_axi_control_wdata(s_axi_control_wdata),
      .s_axi_control_wstrb(s_axi_control_wstrb),
      .s_axi_control_wvalid(s_axi_control_wvalid),
      .s_axi_control_wready(s_axi_control_wready),
      .s_axi_control_bresp(s_axi_control_bresp),
      .s_axi_control_bvalid(s_axi_control_bvalid),
      .s_axi_control_bready(s_axi_control_bready),
      .s_axi_control_araddr(control_araddr[13:0]),
      .s_axi_control_arvalid(s_axi_control_arvalid),
      .s_axi_control_arready(s_axi_control_arready),
      .s_axi_control_rdata(s_axi_control_rdata),
      .s_axi_control_rresp(s_axi_control_rresp),
      .s_axi_control_rvalid(s_axi_control_rvalid),
      .s_axi_control_rready(s_axi_control_rready),
      .m_axi_input_araddr(m_axi_input_araddr),
      .m_axi_input_arid(m_axi_input_arid),
      .m_axi_input_arlen(m_axi_input_arlen),
      .m_axi_input_arsize(m_axi_input_arsize),
      .m_axi_input_arburst(m_axi_input_arburst),
      .m_axi_input_arcache(m_axi_input_arcache),
      .m_axi_input_arprot(m_axi_input_arprot),
      .m_axi_input_arvalid(m_axi_input_arvalid),
      .m_axi_input_arready(m_axi_input_arready),
      .m_axi_input_rid(memory_rid[0:0]),
      .m_axi_input_rdata(m_axi_input_rdata),
      .m_axi_input_rresp(m_axi_input_rresp),
      .m_axi_input_rlast(m_axi_input_rlast),
      .m_axi_input_rvalid(m_axi_input_rvalid),
      .m_axi_input_rready(m_axi_input_rready),
      .m_axi_output_awaddr(m_axi_output_awaddr),
      .m_axi_output_awid(m_axi_output_awid),
      .m_axi_output_awlen(m_axi_output_awlen),
      .m_axi_output_awsize(m_axi_output_awsize),
      .m_axi_output_awburst(m_axi_output_awburst),
      .m_axi_output_awcache(m_axi_output_awcache),
      .m_axi_output_awprot(m_axi_output_awprot),
      .m_axi_output_awvalid(m_axi_output_awvalid),
      .m_axi_output_awready(m_axi_output_awready),
      .m_axi_output_wdata(m_axi_output_wdata),
      .m_axi_output_wstrb(m_axi_output_wstrb),
      .m_axi_output_wlast(m_axi_output_wlast),
      .m_axi_output_wvalid(m_axi_output_wvalid),
      .m_axi_output_wready(m_axi_output_wready),
      .m_axi_output_bid(memory_bid[0:0]),
      .m_axi_output_bresp(m_axi_output_bresp),
      .m_axi_output_bvalid(m_axi_output_bvalid),
      .m_axi_output_bready(m_axi_output_bready)
  );
endmodule
