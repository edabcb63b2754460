// Gives out each vector of LENGTH beats REPEATS times, and counts steps and passes. Beats can be
// read in the cycle after they were written. During its last pass a slot's beats are freed one by
// one, so one slot is enough to overlap a vector with the next; more slots absorb bursts. With
// REPEATS = 1 nothing is stored. `m_tdata` comes straight from LUT RAM.
module replay_buffer #(
    parameter WIDTH     = 8,  // bits of a beat, >= 1
    parameter LENGTH    = 4,  // beats of a vector, >= 1
    parameter REPEATS   = 4,  // >= 1
    parameter SLOTS     = 2,  // vectors held: a power of two, >= 1
    parameter STEP_BITS = (LENGTH > 1) ? $clog2(LENGTH) : 1,   // derived
    parameter PASS_BITS = (REPEATS > 1) ? $clog2(REPEATS) : 1  // derived
) (
    input                  clk,
    input                  rst_n,
    input  [    WIDTH-1:0] s_tdata,
    input                  s_tvalid,
    output                 s_tready,
    output [    WIDTH-1:0] m_tdata,
    output                 m_tvalid,
    input                  m_tready,
    output [STEP_BITS-1:0] m_step,   // 0..LENGTH-1
    output [PASS_BITS-1:0] m_pass,   // 0..REPEATS-1
    output                 m_last    // m_step == LENGTH-1
);
  localparam [STEP_BITS-1:0] LAST_STEP = LENGTH - 1;
  localparam [PASS_BITS-1:0] LAST_PASS = REPEATS - 1;
  reg [STEP_BITS-1:0] step;
  reg [PASS_BITS-1:0] pass;
  wire last_step = (step == LAST_STEP);
  wire last_pass = (pass == LAST_PASS);
  wire advance = m_tvalid & m_tready;
  assign m_step = step;
  assign m_pass = pass;
  assign m_last = last_step;

  always @(posedge clk)
    if (!rst_n) begin
      step <= 0;
      pass <= 0;
    end else if (advance) begin
      step <= last_step ? {STEP_BITS{1'b0}} : step + 1'b1;
      if (last_step) pass <= last_pass ? {PASS_BITS{1'b0}} : pass + 1'b1;
    end

  generate
    if (REPEATS == 1) begin : direct
      assign m_tdata  = s_tdata;
      assign m_tvalid = s_tvalid;
      assign s_tready = m_tready;
    end else begin : stored
      localparam SLOT_BITS = $clog2(SLOTS);
      localparam ADDRESS_BITS = SLOT_BITS + STEP_BITS;
      localparam [SLOT_BITS:0] LAP = 1 << SLOT_BITS;
      (* ram_style = "distributed" *)
      reg [WIDTH-1:0] memory[0:(1 << ADDRESS_BITS)-1];
      // slot numbers carry one more bit, which tells a full lap from none
      reg [SLOT_BITS:0] write_slot, read_slot;
      reg [STEP_BITS-1:0] write_step;
      wire [ADDRESS_BITS:0] write_place = {write_slot, write_step};
      wire [ADDRESS_BITS:0] read_place = {read_slot, step};
      wire [SLOT_BITS:0] distance = write_slot ^ read_slot;
      wire same_step = (write_step == step);
      wire write = s_tvalid & s_tready;
      // being filled: read what lies below the write step; both start at 0 and reading never passes
      assign m_tvalid = ~(distance == 0 & same_step);
      // a lap ahead: overwrite what the last pass has read
      assign s_tready = (distance != LAP) | (last_pass & ~same_step);
      assign m_tdata  = memory[read_place[ADDRESS_BITS-1:0]];
      always @(posedge clk) begin
        if (write) memory[write_place[ADDRESS_BITS-1:0]] <= s_tdata;
        if (!rst_n) begin
          write_slot <= 0;
          read_slot  <= 0;
          write_step <= 0;
        end else begin
          if (write) begin
            write_step <= (write_step == LAST_STEP) ? {STEP_BITS{1'b0}} : write_step + 1'b1;
            if (write_step == LAST_STEP) write_slot <= write_slot + 1'b1;
          end
          if (advance & last_step & last_pass) read_slot <= read_slot + 1'b1;
        end
      end
    end
  endgenerate
endmodule
