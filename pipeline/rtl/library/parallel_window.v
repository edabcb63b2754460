// Sliding window generator that gives out a whole window per beat: the pixels of a KERNEL_H x
// KERNEL_W window row by row, for every position row by row. It takes one pixel per beat.
//
// One memory holds the KERNEL_H - 1 rows above the current pixel, one word per column. As a pixel
// passes, its column's word is read, moved up by one row and written back. So each pixel completes
// a column, and the last KERNEL_W columns are the window. The pipeline never stops: a pixel is
// taken only if there is room for one more window (credit) in the output buffer, which holds
// WINDOWS of them.
//
// Of a pruned window only KEPT elements are given out, and the memory has only the STORED elements
// of a column that will be given out in this row or in one above.
module parallel_window #(
    parameter WIDTH    = 8,   // bits of a pixel, >= 1
    parameter HEIGHT   = 8,   // of the input, >= KERNEL_H
    parameter ROW      = 8,   // pixels of an input row, >= KERNEL_W; >= 3 if KERNEL_H > 1
    parameter KERNEL_H = 3,   // >= 1
    parameter KERNEL_W = 3,   // >= 1
    parameter STRIDE_H = 1,   // >= 1
    parameter STRIDE_W = 1,   // >= 1
    parameter WINDOWS  = 32,  // that can wait for the consumer, >= 7
    parameter BLOCK    = 0,   // memory of rows: 0 LUT RAM, 1 block RAM
    parameter KEPT     = 0,   // elements of a window that are given out; 0: all
    // with KEPT, element by element in 16 bits each:
    parameter ELEMENT  = 1,   // bits of an element
    parameter STORED   = 0,   // elements of a word of the memory of rows
    parameter [16*KEPT:0] POSITIONS = 0,  // where in the window each element of the output is
    parameter [16*((KEPT == 0) ? 0 : (KERNEL_H - 1) * WIDTH / ELEMENT):0] WORD_AT = 0,  // where in the
    // word each element of the rows above is; all ones where it is not stored
    parameter OUT_BITS = (KEPT == 0) ? KERNEL_H * KERNEL_W * WIDTH : KEPT * ELEMENT  // derived
) (
    input                 clk,
    input                 rst_n,
    input  [   WIDTH-1:0] s_tdata,
    input                 s_tvalid,
    output                s_tready,
    output [OUT_BITS-1:0] m_tdata,
    output                m_tvalid,
    input                 m_tready
);
  // ---- the position of the input: each counter is negative when its event is due
  localparam AXIS_BITS = $clog2(HEIGHT + ROW + STRIDE_H + STRIDE_W + 1) + 1;
  localparam signed [AXIS_BITS-1:0] COLUMNS = ROW - 2;
  localparam signed [AXIS_BITS-1:0] ROWS = HEIGHT - 2;
  localparam signed [AXIS_BITS-1:0] FIRST_X = KERNEL_W - 2;  // to the first window of a row
  localparam signed [AXIS_BITS-1:0] FIRST_Y = KERNEL_H - 2;
  localparam signed [AXIS_BITS-1:0] NEXT_X = STRIDE_W - 2;  // to the next one
  localparam signed [AXIS_BITS-1:0] NEXT_Y = STRIDE_H - 2;
  reg [AXIS_BITS-1:0] columns, rows, to_x, to_y;
  wire last_column = columns[AXIS_BITS-1];
  wire last_row = rows[AXIS_BITS-1];
  wire window_x = to_x[AXIS_BITS-1];
  wire window_y = to_y[AXIS_BITS-1];
  wire credit;
  assign s_tready = credit;
  wire take = s_tvalid & credit;
  wire promise = take & window_x & window_y;

  localparam BITS = (ROW > 1) ? $clog2(ROW) : 1;
  reg [BITS-1:0] x;
  always @(posedge clk)
    if (!rst_n) begin
      columns <= COLUMNS;
      rows <= ROWS;
      to_x <= FIRST_X;
      to_y <= FIRST_Y;
      x <= 0;
    end else if (take) begin
      columns <= last_column ? COLUMNS : columns - 1'b1;
      to_x <= last_column ? FIRST_X : window_x ? NEXT_X : to_x - 1'b1;
      x <= last_column ? {BITS{1'b0}} : x + 1'b1;
      if (last_column) begin
        rows <= last_row ? ROWS : rows - 1'b1;
        to_y <= last_row ? FIRST_Y : window_y ? NEXT_Y : to_y - 1'b1;
      end
    end

  // ---- a column: the rows above (the highest in the least bits), then the pixel itself
  reg [1:0] taken, promised;
  reg arrive;
  reg [WIDTH-1:0] pixel_1, pixel_2;
  always @(posedge clk) begin
    pixel_1 <= s_tdata;
    pixel_2 <= pixel_1;
    taken <= rst_n ? {taken[0], take} : 2'b00;
    promised <= rst_n ? {promised[0], promise} : 2'b00;
    arrive <= rst_n & promised[1];
  end
  localparam ROWS_ABOVE = (KERNEL_H - 1) * WIDTH;
  localparam WORD = (KEPT == 0) ? ROWS_ABOVE : STORED * ELEMENT;
  wire [KERNEL_H*WIDTH-1:0] column;
  genvar e;
  generate
    if (WORD == 0) begin : no_rows
      if (KERNEL_H == 1) begin : one
        assign column = pixel_2;
      end else begin : unused
        assign column = {pixel_2, {ROWS_ABOVE{1'b0}}};
      end
    end else begin : above
      reg [WORD-1:0] fetched, old;
      reg [BITS-1:0] x_1, x_2;
      wire [WORD-1:0] moved_up;
      if (KEPT == 0) begin : whole
        assign column   = {pixel_2, old};
        assign moved_up = column[KERNEL_H*WIDTH-1:WIDTH];
      end else begin : pruned
        assign column[KERNEL_H*WIDTH-1:ROWS_ABOVE] = pixel_2;
        for (e = 0; e < ROWS_ABOVE / ELEMENT; e = e + 1) begin : element
          localparam [15:0] AT = WORD_AT[e*16+:16];
          if (AT == 16'hffff) begin : dropped
            assign column[e*ELEMENT+:ELEMENT] = 0;
          end else begin : stored
            assign column[e*ELEMENT+:ELEMENT] = old[AT*ELEMENT+:ELEMENT];
            assign moved_up[AT*ELEMENT+:ELEMENT] = column[e*ELEMENT+WIDTH+:ELEMENT];
          end
        end
      end
      always @(posedge clk) begin
        old <= fetched;
        x_1 <= x;
        x_2 <= x_1;
      end
      if (BLOCK) begin : block
        (* ram_style = "block" *)
        reg [WORD-1:0] memory[0:(1 << BITS)-1];
        always @(posedge clk) begin
          if (taken[1]) memory[x_2] <= moved_up;
          fetched <= memory[x];
        end
      end else begin : luts
        (* ram_style = "distributed" *)
        reg [WORD-1:0] memory[0:(1 << BITS)-1];
        always @(posedge clk) begin
          if (taken[1]) memory[x_2] <= moved_up;
          fetched <= memory[x];
        end
      end
    end
  endgenerate

  // ---- the window: of each row its last KERNEL_W pixels, the leftmost in the least bits
  reg [KERNEL_H*KERNEL_W*WIDTH-1:0] window;
  genvar r;
  generate
    for (r = 0; r < KERNEL_H; r = r + 1) begin : line
      wire [WIDTH-1:0] newest = column[r*WIDTH+:WIDTH];
      if (KERNEL_W == 1) begin : one
        always @(posedge clk) if (taken[1]) window[r*WIDTH+:WIDTH] <= newest;
      end else begin : several
        always @(posedge clk)
          if (taken[1])
            window[r*KERNEL_W*WIDTH+:KERNEL_W*WIDTH] <=
                {newest, window[(r*KERNEL_W+1)*WIDTH+:(KERNEL_W-1)*WIDTH]};
      end
    end
  endgenerate

  wire [OUT_BITS-1:0] given;
  generate
    if (KEPT == 0) begin : everything
      assign given = window;
    end else begin : some
      for (e = 0; e < KEPT; e = e + 1) begin : element
        localparam [15:0] AT = POSITIONS[e*16+:16];
        assign given[e*ELEMENT+:ELEMENT] = window[AT*ELEMENT+:ELEMENT];
      end
    end
  endgenerate

  credit_output #(
      .WIDTH  (OUT_BITS),
      .LATENCY(4),
      .PERIOD (1),
      .LEAST  (WINDOWS)
  ) results (
      .clk(clk),
      .rst_n(rst_n),
      .promise(promise),
      .credit(credit),
      .arrive(arrive),
      .data(given),
      .m_tdata(m_tdata),
      .m_tvalid(m_tvalid),
      .m_tready(m_tready)
  );
endmodule
