/* A Modbus master made with libmodbus, for the tests of our twins. One line of numbers for each call.
 *
 *   libmodbus_client rtu PATH BAUD UNIT CALL ARGUMENT ...
 *   libmodbus_client tcp PORT UNIT CALL ARGUMENT ... */

#include <errno.h>
#include <modbus.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int show(int count, const uint16_t *words, const uint8_t *bytes)
{
    if (count < 0) {
        puts(modbus_strerror(errno));
        return 0;
    }
    for (int n = 0; n < count; n++)
        printf("%s%d", n ? " " : "", words ? words[n] : bytes[n]);
    puts("");
    return 0;
}

static int call(modbus_t *line, const char *name, const int *told, int count)
{
    uint16_t words[MODBUS_MAX_READ_REGISTERS], written[8];
    uint8_t bytes[MODBUS_MAX_READ_BITS];

    for (int n = 2; n < count && n < 10; n++)
        written[n - 2] = told[n];
    if (!strcmp(name, "coil"))
        return show(modbus_read_bits(line, told[0], told[1], bytes), NULL, bytes);
    if (!strcmp(name, "discrete"))
        return show(modbus_read_input_bits(line, told[0], told[1], bytes), NULL, bytes);
    if (!strcmp(name, "holding"))
        return show(modbus_read_registers(line, told[0], told[1], words), words, NULL);
    if (!strcmp(name, "input"))
        return show(modbus_read_input_registers(line, told[0], told[1], words), words, NULL);
    if (!strcmp(name, "set_coil"))
        return show(modbus_write_bit(line, told[0], told[1]) < 0 ? -1 : 0, NULL, bytes);
    if (!strcmp(name, "set_register"))
        return show(modbus_write_register(line, told[0], told[1]) < 0 ? -1 : 0, words, NULL);
    if (!strcmp(name, "mask"))
        return show(modbus_mask_write_register(line, told[0], told[1], told[2]) < 0 ? -1 : 0, words, NULL);
    if (!strcmp(name, "both")) /* address and count to read, then what to write there first */
        return show(modbus_write_and_read_registers(line, told[0], count - 2, written, told[0], told[1], words),
                    words, NULL);
    if (!strcmp(name, "id"))
        return show(modbus_report_slave_id(line, sizeof bytes, bytes), NULL, bytes);
    return 2;
}

int main(int argc, char **argv)
{
    int tcp = argc > 1 && !strcmp(argv[1], "tcp"), first = tcp ? 4 : 5, told[10] = {0};
    if (argc <= first || argc > first + 11)
        return 2;
    modbus_t *line = tcp ? modbus_new_tcp("127.0.0.1", atoi(argv[2]))
                         : modbus_new_rtu(argv[2], atoi(argv[3]), 'N', 8, 1);
    if (!line || modbus_set_slave(line, atoi(argv[first - 1])) < 0 || modbus_connect(line) < 0)
        return 1;
    modbus_set_response_timeout(line, 2, 0);
    for (int n = first + 1; n < argc; n++)
        told[n - first - 1] = atoi(argv[n]);
    return call(line, argv[first], told, argc - first - 1);
}
