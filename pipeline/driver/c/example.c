/* Runs the golden inputs and compares the outputs: example ../golden [/dev/uio0 udmabuf0]
 *
 * cc -std=c99 -O2 -o example example.c accelerator.c
 */
#include "accelerator.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The numbers of a .npy file, each of `size` bytes, and how many there are. */
static uint8_t *read_npy(const char *folder, const char *name, size_t *bytes)
{
    char path[512];
    uint8_t start[10], *data;
    long end;
    size_t header;
    FILE *file;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    file = fopen(path, "rb");
    if (file == NULL || fread(start, 1, 10, file) != 10 || memcmp(start, "\x93NUMPY\x01", 7) ||
        fseek(file, 0, SEEK_END) || (end = ftell(file)) < 0) {
        fprintf(stderr, "%s: cannot be read\n", path);
        exit(2);
    }
    header = 10 + start[8] + 256u * start[9];
    *bytes = (size_t)end - header;
    data = malloc(*bytes + 1);
    if (data == NULL || fseek(file, (long)header, SEEK_SET) ||
        fread(data, 1, *bytes, file) != *bytes) {
        fprintf(stderr, "%s: cannot be read\n", path);
        exit(2);
    }
    fclose(file);
    return data;
}

/* A number of `size` bytes, the lowest first. */
static int64_t number(const uint8_t *bytes, size_t size)
{
    uint64_t value = 0;
    size_t k;
    for (k = 0; k < size; k++) {
        value |= (uint64_t)bytes[k] << 8 * k;
    }
#if ACCELERATOR_OUTPUT_SIGNED || ACCELERATOR_OUTPUT_BIPOLAR
    if (size < 8 && value >> (8 * size - 1)) {
        value -= UINT64_C(1) << 8 * size;
    }
#endif
    return (int64_t)value;
}

int main(int argc, char **argv)
{
    const char *golden = argc > 1 ? argv[1] : "../golden";
    size_t in_bytes, out_bytes, count, values, size, k, wrong = 0;
    uint8_t *inputs = read_npy(golden, "inputs.npy", &in_bytes);
    uint8_t *outputs = read_npy(golden, "outputs.npy", &out_bytes);
    int64_t *found;
    accelerator device;
    accelerator_status status;
    count = in_bytes / ACCELERATOR_INPUT_VALUES;
    values = count * ACCELERATOR_OUTPUT_VALUES;
    size = out_bytes / values;
    found = malloc(values * sizeof *found);
    if (found == NULL) {
        return 2;
    }
    status = accelerator_open_uio(&device, argc > 2 ? argv[2] : "/dev/uio0",
                                  argc > 3 ? argv[3] : "udmabuf0");
    if (status == ACCELERATOR_OK) {
        status = accelerator_run(&device, inputs, count, found);
        accelerator_close(&device);
    }
    if (status != ACCELERATOR_OK) {
        fprintf(stderr, "%s\n", accelerator_text(status));
        return 1;
    }
    for (k = 0; k < values; k++) {
        wrong += found[k] != number(outputs + k * size, size);
    }
    printf("%lu of %lu values are right\n", (unsigned long)(values - wrong),
           (unsigned long)values);
    free(inputs);
    free(outputs);
    free(found);
    return wrong != 0;
}
