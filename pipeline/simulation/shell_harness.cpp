// A verilated AXI shell as a library: the processor's accesses to its registers, and the memory behind
// its two masters. shell.py drives it. SHELL_H is written by build_shell.py: SHELL_FLIPS(X) lists the
// streams whose bits can be flipped, one X(edge, signal) each.
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <memory>
#include <string>
#include <unistd.h>

#include SHELL_H

namespace {

constexpr int OK = 0, DECODE_ERROR = 3, NO_ANSWER = -1;
constexpr int64_t NEVER = INT64_MAX;
constexpr int MOST_WAIT = 100000;  // cycles for one access to a register

// xorshift64*: small, fast, the same on every machine
struct Random {
    uint64_t state;
    bool below(double chance) {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        return static_cast<double>((state * 2685821657736338717ULL) >> 11) < chance * 9007199254740992.0;
    }
};

struct Burst {
    uint64_t address;
    uint64_t beats;
    int64_t due;  // the first cycle in which it may be answered
    int response;
};

// How the memory behaves towards one master.
struct Side {
    int64_t latency = 60;
    double stall = 0;
    int64_t answered = NEVER;  // so many bursts are answered, then none
    int response = OK;         // for all addresses of memory
    uint64_t outstanding = 16;
    int64_t bursts = 0;
    std::deque<Burst> queue;   // in order
};

struct Flip {
    std::string edge;
    uint8_t* mask;
    const uint8_t* valid;
    const uint8_t* ready;
    uint64_t moved = 0, first = 0;
    double chance = 0;
};

struct Shell {
    VerilatedContext context;
    std::unique_ptr<Vshell> top;
    uint8_t* memory;
    uint64_t base, bytes;
    uint64_t cycles = 0;
    Side input, output;
    std::deque<Burst> answers;  // of writes
    uint64_t wrote = 0;         // beats of the first burst in output.queue
    bool running[2] = {false, false};
    Random random;
    std::deque<Flip> flips;
    std::string violation;
    uint64_t held_read = 0, held_write = 0;  // addresses that wait for ready; +1, 0: none

    Shell(uint8_t* memory, uint64_t base, uint64_t bytes, uint64_t seed)
        : memory(memory), base(base), bytes(bytes), random{seed * 0x9E3779B97F4A7C15ULL + 1} {
        // registers start at random values: nothing may rest on a power-up state
        context.randReset(2);
        context.randSeed(static_cast<int>(seed % 0x7fffffff) + 1);
        top = std::make_unique<Vshell>(&context);
#define X(edge, signal)                                                                  \
    flips.push_back({edge, reinterpret_cast<uint8_t*>(&top->rootp->signal##_flip),         \
                     &top->rootp->signal##_tvalid, &top->rootp->signal##_tready});
        SHELL_FLIPS(X)
#undef X
        top->rst_n = 0;
        top->s_axi_control_awvalid = top->s_axi_control_wvalid = top->s_axi_control_bready = 0;
        top->s_axi_control_arvalid = top->s_axi_control_rready = 0;
        top->m_axi_input_rvalid = top->m_axi_output_bvalid = 0;
        top->m_axi_input_rid = top->m_axi_output_bid = 0;
        for (int k = 0; k < 4; ++k) cycle();
        top->rst_n = 1;
        cycle();
        cycles = 0;
    }
    ~Shell() { top->final(); }

    void broken(const char* what) {
        if (violation.empty())
            violation = std::string(what) + " in cycle " + std::to_string(cycles);
    }

    // The rules that every burst keeps; AXI3 and AXI4 both allow what they allow.
    void check(uint64_t address, uint64_t beats, uint64_t size, uint64_t burst) {
        const uint64_t width = sizeof top->m_axi_input_rdata;
        if (address % width) broken("a burst's address is no multiple of the port's bytes");
        if (beats > 16) broken("a burst has more than 16 beats");
        if (address / (16 * width) != (address + beats * width - 1) / (16 * width))
            broken("a burst leaves its block of 16 words");
        if ((1ULL << size) != width || burst != 1) broken("a burst is narrow or not incrementing");
    }

    int response_of(const Side& side, uint64_t address, uint64_t size) const {
        if (address < base || address + size > base + bytes) return DECODE_ERROR;
        return side.response;
    }

    void cycle() {
        auto& t = *top;
        constexpr uint64_t width = sizeof t.m_axi_input_rdata;
        const auto now = static_cast<int64_t>(cycles);
        // what the memory offers stays until it is taken
        t.m_axi_input_arready =
            input.queue.size() < input.outstanding && !random_stall(input.stall);
        t.m_axi_output_awready =
            output.queue.size() + answers.size() < output.outstanding && !random_stall(output.stall);
        if (!t.m_axi_input_rvalid && !input.queue.empty()) {
            const Burst& first = input.queue.front();
            if (first.due <= now && !random_stall(input.stall)) {
                t.m_axi_input_rvalid = 1;
                t.m_axi_input_rresp = first.response;
                t.m_axi_input_rlast = first.beats == 1;
                if (first.response == OK)
                    std::memcpy(&t.m_axi_input_rdata, memory + (first.address - base), width);
                else
                    std::memset(&t.m_axi_input_rdata, 0xA5, width);
            }
        }
        t.m_axi_output_wready = !output.queue.empty() && !random_stall(output.stall);
        if (!t.m_axi_output_bvalid && !answers.empty() && answers.front().due <= now) {
            t.m_axi_output_bvalid = 1;
            t.m_axi_output_bresp = answers.front().response;
        }
        t.clk = 0;
        t.eval();
        move(now);
        for (Flip& flip : flips) {
            if (*flip.valid & *flip.ready) ++flip.moved;
        }
        const bool read_taken = t.m_axi_input_rvalid && t.m_axi_input_rready;
        const bool answer_taken = t.m_axi_output_bvalid && t.m_axi_output_bready;
        t.clk = 1;
        t.eval();
        if (read_taken) {
            t.m_axi_input_rvalid = 0;
            Burst& first = input.queue.front();
            first.address += width;
            if (!--first.beats) input.queue.pop_front();
        }
        if (answer_taken) {
            t.m_axi_output_bvalid = 0;
            answers.pop_front();
        }
        for (Flip& flip : flips) {
            if (flip.chance > 0)
                *flip.mask = flip.moved >= flip.first && (flip.chance >= 1 || random.below(flip.chance));
        }
        ++cycles;
    }

    bool random_stall(double chance) { return chance > 0 && random.below(chance); }

    // Handshakes that happen at the next rising edge.
    void move(int64_t now) {
        auto& t = *top;
        constexpr uint64_t width = sizeof t.m_axi_input_rdata;
        if (!t.rst_n) return;
        if (held_read && (!t.m_axi_input_arvalid || t.m_axi_input_araddr + 1 != held_read))
            broken("a read address changed before it was taken");
        held_read = t.m_axi_input_arvalid && !t.m_axi_input_arready ? t.m_axi_input_araddr + 1 : 0;
        if (held_write && (!t.m_axi_output_awvalid || t.m_axi_output_awaddr + 1 != held_write))
            broken("a write address changed before it was taken");
        held_write = t.m_axi_output_awvalid && !t.m_axi_output_awready ? t.m_axi_output_awaddr + 1 : 0;
        if (t.m_axi_input_arvalid && t.m_axi_input_arready) {
            const uint64_t beats = t.m_axi_input_arlen + 1u, address = t.m_axi_input_araddr;
            check(address, beats, t.m_axi_input_arsize, t.m_axi_input_arburst);
            const bool never = input.bursts++ >= input.answered;
            input.queue.push_back({address, beats, never ? NEVER : now + input.latency,
                                   response_of(input, address, beats * width)});
        }
        if (t.m_axi_output_wvalid && t.m_axi_output_wready) {
            Burst& first = output.queue.front();
            const auto* data = reinterpret_cast<const uint8_t*>(&t.m_axi_output_wdata);
            const auto strobes = static_cast<uint64_t>(t.m_axi_output_wstrb);
            for (uint64_t k = 0; first.response == OK && k < width; ++k)
                if (strobes >> k & 1) memory[first.address - base + k] = data[k];
            first.address += width;
            if (t.m_axi_output_wlast != (first.beats == 1)) broken("a write's last beat is wrong");
            if (!--first.beats) {
                answers.push_back(first);
                if (first.due != NEVER) answers.back().due = now + output.latency;
                output.queue.pop_front();
            }
        }
        if (t.m_axi_output_awvalid && t.m_axi_output_awready) {
            const uint64_t beats = t.m_axi_output_awlen + 1u, address = t.m_axi_output_awaddr;
            check(address, beats, t.m_axi_output_awsize, t.m_axi_output_awburst);
            const bool never = output.bursts++ >= output.answered;
            output.queue.push_back(
                {address, beats, never ? NEVER : 0, response_of(output, address, beats * width)});
        }
    }

    int read(uint32_t address, uint32_t* value) {
        auto& t = *top;
        t.s_axi_control_araddr = address;
        t.s_axi_control_arvalid = 1;
        t.s_axi_control_rready = 1;
        for (int k = 0; k < MOST_WAIT; ++k) {
            // the answer may come in the cycle in which the address is taken
            t.clk = 0;
            t.eval();
            const bool taken = t.s_axi_control_arvalid && t.s_axi_control_arready;
            const bool answered = t.s_axi_control_rvalid;
            if (answered) *value = t.s_axi_control_rdata;
            const int response = t.s_axi_control_rresp;
            cycle();
            if (taken) t.s_axi_control_arvalid = 0;
            if (answered) {
                t.s_axi_control_rready = 0;
                return response;
            }
        }
        return NO_ANSWER;
    }

    int write(uint32_t address, uint32_t value) {
        auto& t = *top;
        t.s_axi_control_awaddr = address;
        t.s_axi_control_wdata = value;
        t.s_axi_control_wstrb = 15;
        t.s_axi_control_awvalid = t.s_axi_control_wvalid = t.s_axi_control_bready = 1;
        for (int k = 0; k < MOST_WAIT; ++k) {
            t.clk = 0;
            t.eval();
            const bool address_taken = t.s_axi_control_awvalid && t.s_axi_control_awready;
            const bool data_taken = t.s_axi_control_wvalid && t.s_axi_control_wready;
            const bool answered = t.s_axi_control_bvalid;
            const int response = t.s_axi_control_bresp;
            cycle();
            if (address_taken) t.s_axi_control_awvalid = 0;
            if (data_taken) t.s_axi_control_wvalid = 0;
            if (answered) {
                t.s_axi_control_bready = 0;
                if ((address == INPUT_CONTROL || address == OUTPUT_CONTROL) && (value & START))
                    running[address == OUTPUT_CONTROL] = true;
                return response;
            }
        }
        return NO_ANSWER;
    }

    // A read as a program makes it: time passes meanwhile, if a DMA runs. A control register is read
    // again until its DMA has ended or `seconds` are over; only the last value is returned.
    int poll(uint32_t address, double seconds, uint32_t* value) {
        const bool control = address == INPUT_CONTROL || address == OUTPUT_CONTROL;
        const bool any = running[0] || running[1];
        if (any && !control)
            for (int k = 0; k < 1000; ++k) cycle();
        const auto start = std::chrono::steady_clock::now();
        for (;;) {
            const int response = read(address, value);
            if (response != OK || !control) return response;
            const bool& runs = running[address == OUTPUT_CONTROL];
            if (*value & (DONE | IDLE)) running[address == OUTPUT_CONTROL] = false;
            const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - start;
            if (!runs || passed.count() > seconds) return OK;
            for (int k = 0; k < 256; ++k) cycle();
        }
    }

    Side* side(const char* name) {
        if (!std::strcmp(name, "input")) return &input;
        return std::strcmp(name, "output") ? nullptr : &output;
    }
};

}  // namespace

extern "C" {

// folder: holds the memory files that the design reads when it starts
Shell* shell_new(const char* folder, uint8_t* memory, uint64_t base, uint64_t bytes, uint64_t seed) {
    char before[4096];
    if (!getcwd(before, sizeof before) || chdir(folder)) return nullptr;
    auto* shell = new Shell(memory, base, bytes, seed);
    if (chdir(before)) std::abort();
    return shell;
}
void shell_free(Shell* shell) { delete shell; }
int shell_read(Shell* shell, uint32_t address, uint32_t* value) { return shell->read(address, value); }
int shell_write(Shell* shell, uint32_t address, uint32_t value) { return shell->write(address, value); }
int shell_poll(Shell* shell, uint32_t address, double seconds, uint32_t* value) {
    return shell->poll(address, seconds, value);
}
void shell_run(Shell* shell, uint64_t cycles) {
    while (cycles--) shell->cycle();
}
uint64_t shell_cycles(const Shell* shell) { return shell->cycles; }
const char* shell_violation(const Shell* shell) { return shell->violation.c_str(); }
int shell_memory(Shell* shell, const char* name, int64_t latency, double stall, uint64_t outstanding) {
    Side* side = shell->side(name);
    if (!side) return -1;
    side->latency = latency;
    side->stall = stall;
    side->outstanding = outstanding;
    return 0;
}
int shell_fail(Shell* shell, const char* name, int64_t answered, int response) {
    Side* side = shell->side(name);
    if (!side) return -1;
    side->answered = answered < 0 ? NEVER : side->bursts + answered;
    side->response = response;
    return 0;
}
int shell_flip(Shell* shell, const char* edge, uint64_t first, double chance) {
    for (Flip& flip : shell->flips)
        if (flip.edge == edge) {
            flip.first = flip.moved + first;
            flip.chance = chance;
            if (!first) *flip.mask = chance >= 1;
            return 0;
        }
    return -1;
}

}  // extern "C"
