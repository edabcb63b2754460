// The registers of a DMA, and its start. A batch of no image, and one whose address is no multiple
// of the port's bytes, is done at once and moves nothing. A start while the DMA runs does nothing.
// `start` comes for one cycle, when address and images are valid. They must not change while the
// DMA runs.
module dma_control #(
    parameter PORT_BYTES   = 8,  // a power of two, >= 2
    parameter ADDRESS_BITS = 32  // 32..64
) (
    input                         clk,
    input                         rst_n,
    input                         write_control,
    input                         write_address_low,
    input                         write_address_high,
    input                         write_images,
    input      [            31:0] write_data,
    input                         read_control,        // clears `done`
    input                         finished,            // from the DMA, for one cycle
    output reg [ADDRESS_BITS-1:0] address,
    output reg [            31:0] images,
    output reg                    start,
    output reg                    running,
    output reg                    misaligned,          // for one cycle
    output     [             2:0] control              // idle, done, start
);
  localparam LOW_BITS = $clog2(PORT_BYTES);
  reg done;
  wire accept = write_control & write_data[0] & ~running;
  wire refuse = (address[LOW_BITS-1:0] != 0);
  wire nothing = refuse | (images == 0);
  assign control = {~running, done, running};
  always @(posedge clk) begin
    if (write_address_low) address[31:0] <= write_data;
    if (write_images) images <= write_data;
    if (!rst_n) begin
      start <= 1'b0;
      running <= 1'b0;
      misaligned <= 1'b0;
      done <= 1'b0;
    end else begin
      start <= accept & ~nothing;
      misaligned <= accept & refuse;
      running <= (accept & ~nothing) | (running & ~finished);
      done <= accept ? nothing : finished | (done & ~read_control);
    end
  end
  generate
    if (ADDRESS_BITS > 32) begin : high
      always @(posedge clk)
        if (write_address_high) address[ADDRESS_BITS-1:32] <= write_data[ADDRESS_BITS-33:0];
    end
  endgenerate
endmodule
