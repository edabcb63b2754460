"""A behavioural model of RAMB18E1 and RAMB18E2 as ROMs, for Yosys' simulator, which has none.

Ports and parameters are those that Yosys' netlists use; reading through port A, as UG473 and UG573
describe it: a word of W bits begins at bit address ADDR[13:0] rounded down to W, its parity bits
(widths 9 and 18) come from INITP. Writing and port B are left out: the library has no other use.
"""

from __future__ import annotations

ROWS, PARITY_ROWS = 64, 8
"""INIT_00..3F and INITP_00..07, 256 bits each."""

_NAMES = {
    "RAMB18E1": ("DOADO", "DOPADOP", "DOBDO", "DOPBDOP", "DIADI", "DIBDI", "DIPADIP", "DIPBDIP"),
    "RAMB18E2": (
        "DOUTADOUT", "DOUTPADOUTP", "DOUTBDOUT", "DOUTPBDOUTP",
        "DINADIN", "DINBDIN", "DINPADINP", "DINPBDINP",
    ),
}  # fmt: skip


def verilog() -> str:
    """Both modules."""
    return "\n".join(_module(name, *ports) for name, ports in _NAMES.items())


def _module(name: str, data: str, parity: str, *others: str) -> str:
    b_data, b_parity, *inputs = others
    rows = [f"INIT_{i:02X}" for i in range(ROWS)]
    parities = [f"INITP_{i:02X}" for i in range(PARITY_ROWS)]
    plain = ["DOA_REG", "DOB_REG", "READ_WIDTH_A", "READ_WIDTH_B", "WRITE_WIDTH_A",
             "WRITE_WIDTH_B", "RAM_MODE", "WRITE_MODE_A", "WRITE_MODE_B", "INIT_A", "INIT_B",
             "SRVAL_A", "SRVAL_B", "SIM_DEVICE", "CLOCK_DOMAINS"]  # fmt: skip
    parameters = ",\n".join(
        [f"  parameter {x} = 0" for x in plain]
        + [f"  parameter [255:0] {x} = 256'b0" for x in (*rows, *parities)]
    )
    unused = ", ".join(
        [
            f"input [15:0] {inputs[0]}",
            f"input [15:0] {inputs[1]}",
            f"input [1:0] {inputs[2]}",
            f"input [1:0] {inputs[3]}",
            "input [13:0] ADDRBWRADDR",
            "input CLKBWRCLK",
            "input ENBWREN",
            "input REGCEAREGCE",
            "input REGCEB",
            "input RSTRAMARSTRAM",
            "input RSTRAMB",
            "input RSTREGARSTREG",
            "input RSTREGB",
            "input [1:0] WEA",
            "input [3:0] WEBWE",
            "input ADDRENA",
            "input ADDRENB",
            "input SLEEP",
        ]
    )
    return f"""
module {name} #(
{parameters}
) (input CLKARDCLK, input ENARDEN, input [13:0] ADDRARDADDR, {unused},
   output reg [15:0] {data}, output reg [1:0] {parity},
   output [15:0] {b_data}, output [1:0] {b_parity});
  wire [16383:0] bits = {{{", ".join(reversed(rows))}}};
  wire [2047:0] parity_bits = {{{", ".join(reversed(parities))}}};
  localparam W = READ_WIDTH_A;
  localparam LOW = W == 18 ? 4 : W == 9 ? 3 : W == 4 ? 2 : W == 2 ? 1 : 0;
  wire [13:0] first = (ADDRARDADDR >> LOW) << LOW;
  always @(posedge CLKARDCLK) if (ENARDEN) begin
    {data} <= bits[first +: 16] & ((1 << (1 << LOW)) - 1);
    {parity} <= W == 18 ? parity_bits[first >> 3 +: 2] : parity_bits[first >> 3 +: 1];
  end
endmodule
"""
