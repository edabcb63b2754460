// Counts cycles from `restart` on, and holds what the count was at certain moments. Each is modulo
// 2**32.
module cycle_counters (
    input             clk,
    input             restart,
    input             entered,       // a beat enters the accelerator
    input             image_done,    // an image's last beat leaves it
    input             running,       // a DMA runs
    input             empty,         // the accelerator waits for data from memory
    input             full,          // results wait for the memory
    output reg [31:0] cycles_input,
    output reg [31:0] cycles_first,
    output reg [31:0] cycles_last,
    output reg [31:0] images_done,
    output reg [31:0] cycles_busy,
    output reg [31:0] cycles_empty,
    output reg [31:0] cycles_full
);
  reg [31:0] cycles;
  reg begun, one_done;
  always @(posedge clk)
    if (restart) begin
      cycles <= 32'd1;
      begun <= 1'b0;
      one_done <= 1'b0;
      cycles_input <= 32'd0;
      cycles_first <= 32'd0;
      cycles_last <= 32'd0;
      images_done <= 32'd0;
      cycles_busy <= 32'd0;
      cycles_empty <= 32'd0;
      cycles_full <= 32'd0;
    end else begin
      cycles <= cycles + 1'b1;
      if (entered) begun <= 1'b1;
      if (entered & ~begun) cycles_input <= cycles;
      if (image_done) begin
        one_done <= 1'b1;
        images_done <= images_done + 1'b1;
        cycles_last <= cycles;
      end
      if (image_done & ~one_done) cycles_first <= cycles;
      if (running) cycles_busy <= cycles;
      if (empty) cycles_empty <= cycles_empty + 1'b1;
      if (full) cycles_full <= cycles_full + 1'b1;
    end
endmodule
