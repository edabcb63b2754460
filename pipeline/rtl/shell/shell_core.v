// The shell between its registers and the accelerator: two DMAs, their registers, the counters, the
// errors and the soft reset. Beats are whole bytes. The ports named as registers have their value.
module shell_core #(
    parameter PORT_BYTES   = 8,    // a power of two, 2..128
    parameter ADDRESS_BITS = 32,   // 32..64
    parameter IN_BYTES     = 3,    // of a beat, 1..PORT_BYTES
    parameter IN_UNIT      = 1,    // greatest common divisor of IN_BYTES and PORT_BYTES
    parameter IN_BEATS     = 1024, // of an image, >= 1
    parameter OUT_BYTES    = 1,    // of a beat, 1..PORT_BYTES
    parameter OUT_UNIT     = 1,    // greatest common divisor of OUT_BYTES and PORT_BYTES
    parameter OUT_BEATS    = 1     // of an image, >= 1
) (
    input                     clk,
    input                     rst_n,
    output                    core_rst_n,  // resets the accelerator
    output                    restart,     // for one cycle: the input DMA starts

    input              [31:0] write_data,
    input                     write_input_control,
    input                     write_input_address_low,
    input                     write_input_address_high,
    input                     write_input_images,
    input                     write_output_control,
    input                     write_output_address_low,
    input                     write_output_address_high,
    input                     write_output_images,
    input                     write_reset,
    input                     write_status,
    input                     read_input_control,
    input                     read_output_control,
    output             [31:0] input_control,
    output             [31:0] input_address_low,
    output             [31:0] input_address_high,
    output             [31:0] input_images,
    output             [31:0] output_control,
    output             [31:0] output_address_low,
    output             [31:0] output_address_high,
    output             [31:0] output_images,
    output             [31:0] reset,
    output             [31:0] status,
    output             [31:0] cycles_input,
    output             [31:0] cycles_first,
    output             [31:0] cycles_last,
    output             [31:0] images_done,
    output             [31:0] cycles_busy,
    output             [31:0] cycles_empty,
    output             [31:0] cycles_full,

    output [ADDRESS_BITS-1:0] m_axi_araddr,
    output              [7:0] m_axi_arlen,
    output                    m_axi_arvalid,
    input                     m_axi_arready,
    input  [8*PORT_BYTES-1:0] m_axi_rdata,
    input               [1:0] m_axi_rresp,
    input                     m_axi_rlast,
    input                     m_axi_rvalid,
    output                    m_axi_rready,
    output [ADDRESS_BITS-1:0] m_axi_awaddr,
    output              [7:0] m_axi_awlen,
    output                    m_axi_awvalid,
    input                     m_axi_awready,
    output [8*PORT_BYTES-1:0] m_axi_wdata,
    output   [PORT_BYTES-1:0] m_axi_wstrb,
    output                    m_axi_wlast,
    output                    m_axi_wvalid,
    input                     m_axi_wready,
    input               [1:0] m_axi_bresp,
    input                     m_axi_bvalid,
    output                    m_axi_bready,

    output   [8*IN_BYTES-1:0] m_tdata,  // to the accelerator
    output                    m_tvalid,
    input                     m_tready,
    input   [8*OUT_BYTES-1:0] s_tdata,  // from the accelerator
    input                     s_tvalid,
    output                    s_tready
);
  wire stop, read_quiet, write_quiet;
  wire [ADDRESS_BITS-1:0] in_address, out_address;
  wire in_start, in_running, in_finished, in_misaligned;
  wire out_start, out_running, out_finished, out_misaligned;
  wire read_slave_error, read_decode_error, write_slave_error, write_decode_error;
  wire [2:0] in_control, out_control;
  wire [5:0] errors;
  wire [8*PORT_BYTES-1:0] word_tdata;
  wire [$clog2(PORT_BYTES):0] word_tbytes;
  wire word_tvalid, word_tready;
  wire image_done;
  wire empty = in_running & m_tready & ~m_tvalid;
  wire full;
  reg [2:0] state;  // a register, so that no path goes through the accelerator's ready

  always @(posedge clk) state <= {full, empty, m_tvalid & ~m_tready};
  assign restart = in_start;
  assign input_control = {29'd0, in_control};
  assign output_control = {29'd0, out_control};
  assign input_address_low = in_address[31:0];
  assign output_address_low = out_address[31:0];
  assign reset = {31'd0, stop};
  assign status = {21'd0, state, 2'd0, errors};
  generate
    if (ADDRESS_BITS > 32) begin : high
      assign input_address_high = {{(64 - ADDRESS_BITS) {1'b0}}, in_address[ADDRESS_BITS-1:32]};
      assign output_address_high = {{(64 - ADDRESS_BITS) {1'b0}}, out_address[ADDRESS_BITS-1:32]};
    end else begin : low
      assign input_address_high = 32'd0;
      assign output_address_high = 32'd0;
    end
  endgenerate

  soft_reset resets (
      .clk(clk),
      .rst_n(rst_n),
      .request(write_reset & write_data[0]),
      .quiet(read_quiet & write_quiet),
      .stop(stop),
      .core_rst_n(core_rst_n)
  );

  sticky_errors #(
      .ERRORS(6)
  ) sticky (
      .clk(clk),
      .rst_n(rst_n),
      .seen({
        out_misaligned,
        in_misaligned,
        write_decode_error,
        write_slave_error,
        read_decode_error,
        read_slave_error
      }),
      .write(write_status),
      .write_data(write_data[5:0]),
      .errors(errors)
  );

  cycle_counters counters (
      .clk(clk),
      .restart(in_start),
      .entered(m_tvalid & m_tready),
      .image_done(image_done),
      .running(in_running | out_running),
      .empty(empty),
      .full(full),
      .cycles_input(cycles_input),
      .cycles_first(cycles_first),
      .cycles_last(cycles_last),
      .images_done(images_done),
      .cycles_busy(cycles_busy),
      .cycles_empty(cycles_empty),
      .cycles_full(cycles_full)
  );

  dma_control #(
      .PORT_BYTES(PORT_BYTES),
      .ADDRESS_BITS(ADDRESS_BITS)
  ) in_registers (
      .clk(clk),
      .rst_n(core_rst_n),
      .write_control(write_input_control),
      .write_address_low(write_input_address_low),
      .write_address_high(write_input_address_high),
      .write_images(write_input_images),
      .write_data(write_data),
      .read_control(read_input_control),
      .finished(in_finished),
      .address(in_address),
      .images(input_images),
      .start(in_start),
      .running(in_running),
      .misaligned(in_misaligned),
      .control(in_control)
  );

  dma_control #(
      .PORT_BYTES(PORT_BYTES),
      .ADDRESS_BITS(ADDRESS_BITS)
  ) out_registers (
      .clk(clk),
      .rst_n(core_rst_n),
      .write_control(write_output_control),
      .write_address_low(write_output_address_low),
      .write_address_high(write_output_address_high),
      .write_images(write_output_images),
      .write_data(write_data),
      .read_control(read_output_control),
      .finished(out_finished),
      .address(out_address),
      .images(output_images),
      .start(out_start),
      .running(out_running),
      .misaligned(out_misaligned),
      .control(out_control)
  );

  read_dma #(
      .PORT_BYTES(PORT_BYTES),
      .ADDRESS_BITS(ADDRESS_BITS),
      .IMAGE_BYTES(IN_BYTES * IN_BEATS)
  ) in_dma (
      .clk(clk),
      .rst_n(core_rst_n),
      .start(in_start),
      .stop(stop),
      .address(in_address),
      .images(input_images),
      .finished(in_finished),
      .quiet(read_quiet),
      .slave_error(read_slave_error),
      .decode_error(read_decode_error),
      .m_axi_araddr(m_axi_araddr),
      .m_axi_arlen(m_axi_arlen),
      .m_axi_arvalid(m_axi_arvalid),
      .m_axi_arready(m_axi_arready),
      .m_axi_rdata(m_axi_rdata),
      .m_axi_rresp(m_axi_rresp),
      .m_axi_rlast(m_axi_rlast),
      .m_axi_rvalid(m_axi_rvalid),
      .m_axi_rready(m_axi_rready),
      .m_tdata(word_tdata),
      .m_tbytes(word_tbytes),
      .m_tvalid(word_tvalid),
      .m_tready(word_tready)
  );

  words_to_beats #(
      .PORT_BYTES(PORT_BYTES),
      .BEAT_BYTES(IN_BYTES),
      .UNIT(IN_UNIT)
  ) in_beats (
      .clk(clk),
      .rst_n(core_rst_n),
      .s_tdata(word_tdata),
      .s_tbytes(word_tbytes),
      .s_tvalid(word_tvalid),
      .s_tready(word_tready),
      .m_tdata(m_tdata),
      .m_tvalid(m_tvalid),
      .m_tready(m_tready)
  );

  write_dma #(
      .PORT_BYTES(PORT_BYTES),
      .ADDRESS_BITS(ADDRESS_BITS),
      .BEAT_BYTES(OUT_BYTES),
      .UNIT(OUT_UNIT),
      .IMAGE_BEATS(OUT_BEATS)
  ) out_dma (
      .clk(clk),
      .rst_n(core_rst_n),
      .start(out_start),
      .stop(stop),
      .address(out_address),
      .images(output_images),
      .finished(out_finished),
      .quiet(write_quiet),
      .waiting(full),
      .image_done(image_done),
      .slave_error(write_slave_error),
      .decode_error(write_decode_error),
      .s_tdata(s_tdata),
      .s_tvalid(s_tvalid),
      .s_tready(s_tready),
      .m_axi_awaddr(m_axi_awaddr),
      .m_axi_awlen(m_axi_awlen),
      .m_axi_awvalid(m_axi_awvalid),
      .m_axi_awready(m_axi_awready),
      .m_axi_wdata(m_axi_wdata),
      .m_axi_wstrb(m_axi_wstrb),
      .m_axi_wlast(m_axi_wlast),
      .m_axi_wvalid(m_axi_wvalid),
      .m_axi_wready(m_axi_wready),
      .m_axi_bresp(m_axi_bresp),
      .m_axi_bvalid(m_axi_bvalid),
      .m_axi_bready(m_axi_bready)
  );
endmodule
