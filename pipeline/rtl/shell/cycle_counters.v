// Counts cycles from `restart` on, and holds what the count was at certain moments. Each is modulo
// 2**32. All events are seen a cycle later, and the count starts a cycle later, too.
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
  reg entered_then, done_then, running_then, empty_then, full_then;
  always @(posedge clk) begin
    entered_then <= entered;
    done_then <= image_done;
    running_then <= running;
    empty_then <= empty;
    full_then <= full;
    if (restart) begin
      cycles <= 32'd0;
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
      if (entered_then) begun <= 1'b1;
      if (entered_then & ~begun) cycles_input <= cycles;
      if (done_then) begin
        one_done <= 1'b1;
        images_done <= images_done + 1'b1;
        cycles_last <= cycles;
      end
      if (done_then & ~one_done) cycles_first <= cycles;
      if (running_then) cycles_busy <= cycles;
      if (empty_then) cycles_empty <= cycles_empty + 1'b1;
      if (full_then) cycles_full <= cycles_full + 1'b1;
    end
  end
endmodule
