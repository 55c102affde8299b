/* A Modbus slave made with libmodbus, for the tests of our master.
 *
 *   libmodbus_server rtu PATH BAUD UNIT
 *   libmodbus_server tcp PORT UNIT
 *
 * Each table has addresses 0 to 79. Coils and contacts: every third one is on. Registers: see `fill`.
 * Reading holding register 60 + n alone is answered with exception n. Ends with its standard input. */

#include <errno.h>
#include <modbus.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SIZE = 80, REFUSING = 60, READ_HOLDING = 3 };

static uint16_t swapped(uint16_t word)
{
    return word << 8 | word >> 8;
}

/* Our own: what modbus_set_float_abcd and its like do differs from release to release (libmodbus issue 665). */
static void put_floats(uint16_t *registers, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    uint16_t high = bits >> 16, low = bits;
    uint16_t orders[] = {high, low, low, high, swapped(high), swapped(low), swapped(low), swapped(high)};
    memcpy(registers, orders, sizeof orders);
}

static void fill(uint16_t *registers)
{
    int32_t i32 = -70000;
    int64_t i64 = INT64_C(-5000000000);

    for (int address = 0; address < SIZE; address++)
        registers[address] = 1000 + address;
    MODBUS_SET_INT32_TO_INT16(registers, 10, i32);
    MODBUS_SET_INT64_TO_INT16(registers, 12, i64);
    put_floats(registers + 16, -2.5f);
}

/* The exception with which this request is to be answered, or 0. */
static int refusal(const uint8_t *request, int header)
{
    int address = MODBUS_GET_INT16_FROM_INT8(request, header + 1);
    int count = MODBUS_GET_INT16_FROM_INT8(request, header + 3);

    if (request[header] != READ_HOLDING || count != 1 || address <= REFUSING || address > REFUSING + 11)
        return 0;
    return address - REFUSING;
}

/* Answers requests until the master hangs up or our standard input ends; 0: it has ended. */
static int serve(modbus_t *line, modbus_mapping_t *tables)
{
    struct pollfd waiting[] = {{.fd = STDIN_FILENO, .events = POLLIN},
                               {.fd = modbus_get_socket(line), .events = POLLIN}};
    uint8_t request[MODBUS_TCP_MAX_ADU_LENGTH];

    for (;;) {
        if (poll(waiting, 2, -1) < 0 || waiting[0].revents)
            return 0;
        int size = modbus_receive(line, request);
        if (size < 0 && (errno == ECONNRESET || errno == EBADF))
            return 1;
        if (size == 0) /* for another unit: libmodbus takes what comes within half a second for its answer */
            modbus_receive(line, request);
        if (size <= 0)
            continue;
        int code = refusal(request, modbus_get_header_length(line));
        if (code)
            modbus_reply_exception(line, request, code);
        else
            modbus_reply(line, request, size, tables);
    }
}

int main(int argc, char **argv)
{
    int tcp = argc > 1 && !strcmp(argv[1], "tcp");
    if (argc != (tcp ? 4 : 5))
        return 2;
    modbus_t *line = tcp ? modbus_new_tcp("127.0.0.1", atoi(argv[2]))
                         : modbus_new_rtu(argv[2], atoi(argv[3]), 'N', 8, 1);
    modbus_mapping_t *tables = modbus_mapping_new(SIZE, SIZE, SIZE, SIZE);
    if (!line || !tables || modbus_set_slave(line, atoi(argv[argc - 1])) < 0)
        return 1;
    for (int address = 0; address < SIZE; address += 3)
        tables->tab_bits[address] = tables->tab_input_bits[address] = 1;
    fill(tables->tab_registers);
    fill(tables->tab_input_registers);

    int listening = tcp ? modbus_tcp_listen(line, 1) : -1;
    if (tcp ? listening < 0 : modbus_connect(line) < 0)
        return 1;
    puts("ready");
    fflush(stdout);
    do {
        if (tcp && modbus_tcp_accept(line, &listening) < 0)
            return 1;
    } while (serve(line, tables) && tcp);
    return 0;
}
