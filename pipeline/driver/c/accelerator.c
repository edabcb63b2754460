/* Plain C driver of an accelerator; accelerator.h has what belongs to one build. */
#define _POSIX_C_SOURCE 200809L
#define _FILE_OFFSET_BITS 64

#include "accelerator.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

const char *accelerator_text(accelerator_status status)
{
    switch (status) {
    case ACCELERATOR_OK:
        return "all is well";
    case ACCELERATOR_CANNOT_OPEN:
        return "the registers or the memory cannot be opened: is this run as root, and are the "
               "devices there?";
    case ACCELERATOR_NOT_THERE:
        return "no accelerator of this pipeline answers: load its bitfile, or check the address";
    case ACCELERATOR_OTHER_ABI:
        return "the accelerator has another register map: use the driver of its own package";
    case ACCELERATOR_OTHER_DIGEST:
        return "another build of the accelerator is loaded: load the bitfile of this package";
    case ACCELERATOR_NO_ROOM:
        return "the memory is too small for one image: give a larger one";
    case ACCELERATOR_NOT_ALIGNED:
        return "the memory's address is no multiple of the port's bytes";
    case ACCELERATOR_BUSY:
        return "a DMA is not idle: end the other program, then call accelerator_reset";
    case ACCELERATOR_DMA_ERROR:
        return "a DMA got an error from the memory: check the address of the buffers";
    case ACCELERATOR_TIMEOUT:
        return "the batch did not end in its time: repeat it, then load the bitfile again";
    case ACCELERATOR_CLOCK_STANDS:
        return "the accelerator's clock stands still: check the clock of the programmable logic";
    case ACCELERATOR_NO_RESET:
        return "the soft reset does not end: only loading the bitfile again helps";
    }
    return "unknown status";
}

static uint32_t get(const accelerator *self, uint32_t offset)
{
    return self->bus.read(self->bus.context, offset);
}

static void put(const accelerator *self, uint32_t offset, uint32_t value)
{
    self->bus.write(self->bus.context, offset, value);
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* ---- packing: element 0 in the least significant bits, each beat padded to whole bytes */

static void pack_beat(const uint8_t *values, uint8_t *bytes)
{
    uint32_t held = 0;
    unsigned filled = 0, lane;
    for (lane = 0; lane < ACCELERATOR_INPUT_LANES; lane++) {
        uint32_t code = values[lane];
#if ACCELERATOR_INPUT_BIPOLAR
        code = (code != 0 && code < 0x80); /* +1, not -1 */
#endif
        code &= (UINT32_C(1) << ACCELERATOR_INPUT_BITS) - 1;
        held |= code << filled;
        for (filled += ACCELERATOR_INPUT_BITS; filled >= 8; filled -= 8) {
            *bytes++ = (uint8_t)held;
            held >>= 8;
        }
    }
    if (filled > 0) {
        *bytes = (uint8_t)held;
    }
}

static int64_t unpack_value(const uint8_t *bytes, size_t first)
{
    uint64_t code = 0;
    unsigned have = 0;
    while (have < ACCELERATOR_OUTPUT_BITS) {
        size_t at = first + have;
        unsigned offset = (unsigned)(at % 8), count = 8 - offset;
        if (count > ACCELERATOR_OUTPUT_BITS - have) {
            count = ACCELERATOR_OUTPUT_BITS - have;
        }
        code |= (uint64_t)((bytes[at / 8] >> offset) & ((1u << count) - 1)) << have;
        have += count;
    }
#if ACCELERATOR_OUTPUT_BIPOLAR
    return code ? 1 : -1;
#elif ACCELERATOR_OUTPUT_SIGNED
    {
        uint64_t sign = UINT64_C(1) << (ACCELERATOR_OUTPUT_BITS - 1);
        return (int64_t)((code ^ sign) - sign);
    }
#else
    return (int64_t)code;
#endif
}

void accelerator_pack(const uint8_t *images, size_t count, uint8_t *bytes)
{
    size_t beat;
    for (beat = 0; beat < count * ACCELERATOR_INPUT_BEATS; beat++) {
        pack_beat(images + beat * ACCELERATOR_INPUT_LANES,
                  bytes + beat * ACCELERATOR_INPUT_BEAT_BYTES);
    }
}

void accelerator_unpack(const uint8_t *bytes, size_t count, int64_t *outputs)
{
    size_t beat, lane;
    for (beat = 0; beat < count * ACCELERATOR_OUTPUT_BEATS; beat++) {
        for (lane = 0; lane < ACCELERATOR_OUTPUT_LANES; lane++) {
            *outputs++ = unpack_value(bytes + beat * ACCELERATOR_OUTPUT_BEAT_BYTES,
                                      lane * ACCELERATOR_OUTPUT_BITS);
        }
    }
}

/* ---- one batch */

static size_t aligned(size_t size)
{
    return (size + 63) / 64 * 64;
}

static accelerator_status start(const accelerator *self, size_t outputs_at, size_t count)
{
    const uint64_t in = self->memory.address, out = in + outputs_at;
    if (!(get(self, ACCELERATOR_REG_INPUT_CONTROL) & ACCELERATOR_IDLE) ||
        !(get(self, ACCELERATOR_REG_OUTPUT_CONTROL) & ACCELERATOR_IDLE)) {
        return ACCELERATOR_BUSY;
    }
    put(self, ACCELERATOR_REG_STATUS, ACCELERATOR_ERRORS);
    put(self, ACCELERATOR_REG_OUTPUT_ADDRESS_LOW, (uint32_t)out);
    put(self, ACCELERATOR_REG_OUTPUT_ADDRESS_HIGH, (uint32_t)(out >> 32));
    put(self, ACCELERATOR_REG_OUTPUT_IMAGES, (uint32_t)count);
    put(self, ACCELERATOR_REG_INPUT_ADDRESS_LOW, (uint32_t)in);
    put(self, ACCELERATOR_REG_INPUT_ADDRESS_HIGH, (uint32_t)(in >> 32));
    put(self, ACCELERATOR_REG_INPUT_IMAGES, (uint32_t)count);
    put(self, ACCELERATOR_REG_OUTPUT_CONTROL, ACCELERATOR_START);
    put(self, ACCELERATOR_REG_INPUT_CONTROL, ACCELERATOR_START);
    return ACCELERATOR_OK;
}

/* The limit counts cycles of the accelerator; a clock that stands still is seen by its counter. */
static accelerator_status await(const accelerator *self, size_t count)
{
    const uint64_t limit = ACCELERATOR_LEAST_CYCLES + ACCELERATOR_LATENCY_CYCLES +
                           ACCELERATOR_IMAGE_CYCLES * (uint64_t)count;
    uint32_t last = 0;
    double moved = seconds();
    while (!(get(self, ACCELERATOR_REG_OUTPUT_CONTROL) & (ACCELERATOR_DONE | ACCELERATOR_IDLE))) {
        const uint32_t busy = get(self, ACCELERATOR_REG_CYCLES_BUSY);
        if (get(self, ACCELERATOR_REG_STATUS) & ACCELERATOR_ERRORS) {
            return ACCELERATOR_DMA_ERROR;
        }
        if (busy != last) {
            last = busy;
            moved = seconds();
        } else if (seconds() - moved > ACCELERATOR_STALL_SECONDS) {
            return ACCELERATOR_CLOCK_STANDS;
        }
        if (busy > limit) {
            return ACCELERATOR_TIMEOUT;
        }
    }
    return get(self, ACCELERATOR_REG_STATUS) & ACCELERATOR_ERRORS ? ACCELERATOR_DMA_ERROR
                                                              : ACCELERATOR_OK;
}

/* How many images fit into the memory: inputs first, outputs behind them. */
static size_t most_images(const accelerator *self)
{
    const size_t spare = 128, each = ACCELERATOR_INPUT_BYTES + ACCELERATOR_OUTPUT_BYTES;
    const uint64_t by_counter = (UINT64_C(1) << 31) / (ACCELERATOR_IMAGE_CYCLES + 1) + 1;
    const size_t fit = self->memory.size > spare ? (self->memory.size - spare) / each : 0;
    return fit < by_counter ? fit : (size_t)by_counter;
}

static accelerator_status run_batch(accelerator *self, const uint8_t *images, size_t count,
                                    int64_t *outputs)
{
    const accelerator_memory *memory = &self->memory;
    const size_t inputs = aligned(count * ACCELERATOR_INPUT_BYTES);
    const size_t results = count * ACCELERATOR_OUTPUT_BYTES;
    accelerator_status status;
    accelerator_pack(images, count, memory->bytes);
    if (memory->flush) {
        memory->flush(memory->context, 0, inputs + results);
    }
    status = start(self, inputs, count);
    if (status != ACCELERATOR_OK) {
        return status;
    }
    status = await(self, count);
    if (status != ACCELERATOR_OK) {
        return accelerator_reset(self) == ACCELERATOR_OK ? status : ACCELERATOR_NO_RESET;
    }
    if (memory->invalidate) {
        memory->invalidate(memory->context, inputs, results);
    }
    accelerator_unpack(memory->bytes + inputs, count, outputs);
    return ACCELERATOR_OK;
}

accelerator_status accelerator_run(accelerator *self, const uint8_t *images, size_t count,
                                   int64_t *outputs)
{
    const size_t most = most_images(self);
    if (most == 0) {
        return ACCELERATOR_NO_ROOM;
    }
    while (count > 0) {
        const size_t part = count < most ? count : most;
        const accelerator_status status = run_batch(self, images, part, outputs);
        if (status != ACCELERATOR_OK) {
            return status;
        }
        images += part * ACCELERATOR_INPUT_VALUES;
        outputs += part * ACCELERATOR_OUTPUT_VALUES;
        count -= part;
    }
    return ACCELERATOR_OK;
}

accelerator_status accelerator_reset(accelerator *self)
{
    const double begin = seconds();
    put(self, ACCELERATOR_REG_RESET, 1);
    while (get(self, ACCELERATOR_REG_RESET) & 1) {
        if (seconds() - begin > ACCELERATOR_STALL_SECONDS) {
            return ACCELERATOR_NO_RESET;
        }
    }
    put(self, ACCELERATOR_REG_STATUS, ACCELERATOR_ERRORS);
    return ACCELERATOR_OK;
}

uint32_t accelerator_signature(const accelerator *self, unsigned k)
{
#if ACCELERATOR_SIGNATURES
    return k < ACCELERATOR_SIGNATURES ? get(self, ACCELERATOR_REG_SIGNATURE_0 + 4 * k) : 0;
#else
    return (void)self, (void)k, 0;
#endif
}

/* ---- opening */

accelerator_status accelerator_open(accelerator *self, accelerator_bus bus,
                                    accelerator_memory memory)
{
    static const uint32_t digest[] = ACCELERATOR_DIGEST;
    unsigned k;
    memset(self, 0, sizeof *self);
    self->bus = bus;
    self->memory = memory;
    if (get(self, ACCELERATOR_REG_MAGIC) != ACCELERATOR_MAGIC) {
        return ACCELERATOR_NOT_THERE;
    }
    if (get(self, ACCELERATOR_REG_ABI) != ACCELERATOR_ABI) {
        return ACCELERATOR_OTHER_ABI;
    }
    for (k = 0; k < sizeof digest / sizeof *digest; k++) {
        if (get(self, ACCELERATOR_REG_DIGEST_0 + 4 * k) != digest[k]) {
            return ACCELERATOR_OTHER_DIGEST;
        }
    }
    if (memory.address % ACCELERATOR_PORT_BYTES) {
        return ACCELERATOR_NOT_ALIGNED;
    }
    return most_images(self) ? ACCELERATOR_OK : ACCELERATOR_NO_ROOM;
}

static uint32_t mapped_read(void *context, uint32_t offset)
{
    return ((volatile uint32_t *)context)[offset / 4];
}

static void mapped_write(void *context, uint32_t offset, uint32_t value)
{
    ((volatile uint32_t *)context)[offset / 4] = value;
}

static void *map(const char *path, size_t size, uint64_t address)
{
    void *found;
    const int file = open(path, O_RDWR | O_SYNC); /* O_SYNC: not cached */
    if (file < 0) {
        return NULL;
    }
    found = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, (off_t)address);
    close(file);
    return found == MAP_FAILED ? NULL : found;
}

static accelerator_status open_mapped(accelerator *self, void *registers, void *memory,
                                      uint64_t address, size_t size)
{
    accelerator_bus bus = {NULL, mapped_read, mapped_write};
    accelerator_memory buffer = {NULL, NULL, 0, 0, NULL, NULL};
    accelerator_status status = ACCELERATOR_CANNOT_OPEN;
    memset(self, 0, sizeof *self);
    if (registers != NULL && memory != NULL) {
        bus.context = registers;
        buffer.bytes = (uint8_t *)memory;
        buffer.address = address;
        buffer.size = size;
        status = accelerator_open(self, bus, buffer);
    }
    self->mapped[0] = registers;
    self->lengths[0] = ACCELERATOR_EXTENT;
    self->mapped[1] = memory;
    self->lengths[1] = size;
    if (status != ACCELERATOR_OK) {
        accelerator_close(self);
    }
    return status;
}

/* A number that u-dma-buf tells in a file of its folder in /sys. */
static int told(const char *udmabuf, const char *name, unsigned long long *value)
{
    char path[128];
    FILE *file;
    int found, length;
    length = snprintf(path, sizeof path, "/sys/class/u-dma-buf/%s/%s", udmabuf, name);
    if (length < 0 || (size_t)length >= sizeof path || (file = fopen(path, "r")) == NULL) {
        return 0;
    }
    found = fscanf(file, "%lli", (long long *)value) == 1;
    fclose(file);
    return found;
}

accelerator_status accelerator_open_uio(accelerator *self, const char *uio, const char *udmabuf)
{
    unsigned long long address = 0, size = 0;
    char device[128];
    const int length = snprintf(device, sizeof device, "/dev/%s", udmabuf);
    memset(self, 0, sizeof *self);
    if (length < 0 || (size_t)length >= sizeof device || !told(udmabuf, "phys_addr", &address) ||
        !told(udmabuf, "size", &size)) {
        return ACCELERATOR_CANNOT_OPEN;
    }
    return open_mapped(self, map(uio, ACCELERATOR_EXTENT, 0), map(device, (size_t)size, 0), address,
                       (size_t)size);
}

accelerator_status accelerator_open_mem(accelerator *self, uint64_t address, size_t size)
{
    void *registers = map("/dev/mem", ACCELERATOR_EXTENT, ACCELERATOR_BASE);
    return open_mapped(self, registers, map("/dev/mem", size, address), address, size);
}

void accelerator_close(accelerator *self)
{
    int k;
    for (k = 0; k < 2; k++) {
        if (self->mapped[k] != NULL) {
            munmap(self->mapped[k], self->lengths[k]);
            self->mapped[k] = NULL;
        }
    }
}
