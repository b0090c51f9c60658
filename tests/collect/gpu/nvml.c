/*
 * A machine's NVML for tests: the C interface of NVIDIA's management library, with the
 * signatures and struct layouts of nvml.h as pynvml calls them, over a state that tests write.
 *
 * The file named by the environment variable NVML_STATE holds lines `key value`, read anew at
 * every call:
 *   count 2                            GPUs
 *   0.fan 45                           a value of GPU 0 (keys: see each function)
 *   0.compute 4242:1048576,77:2048     pid:bytes of its processes
 *   0.error 15                         every call for GPU 0 returns this nvmlReturn_t
 *   0.nvmlDeviceGetFanSpeed.error 3    this call for GPU 0 does
 *   nvmlInitWithFlags.error 9          this call without a GPU does
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    NVML_SUCCESS = 0,
    NVML_ERROR_UNINITIALIZED = 1,
    NVML_ERROR_INVALID_ARGUMENT = 2,
    NVML_ERROR_NOT_SUPPORTED = 3,
    NVML_ERROR_INSUFFICIENT_SIZE = 7,
    NVML_ERROR_ARGUMENT_VERSION_MISMATCH = 25,
};

#define MAX_GPUS 8
#define VALUE_SIZE 1024

typedef int nvmlReturn_t;
typedef struct { unsigned index, generation; } *nvmlDevice_t;
typedef struct { unsigned gpu, memory; } nvmlUtilization_t;
typedef struct { unsigned long long total, free, used; } nvmlMemory_t;
typedef struct {
    unsigned version;
    unsigned long long total, reserved, free, used;
} nvmlMemory_v2_t;
typedef struct {
    char busIdLegacy[16];
    unsigned domain, bus, device, pciDeviceId, pciSubSystemId;
    char busId[32];
} nvmlPciInfo_t;
typedef struct { unsigned version; unsigned sensorType; int temperature; } nvmlTemperature_v1_t;
typedef struct {
    unsigned pid;
    unsigned long long usedGpuMemory;
    unsigned gpuInstanceId, computeInstanceId;
} nvmlProcessInfo_v2_t;

#define nvmlMemory_v2 (unsigned)(sizeof(nvmlMemory_v2_t) | 2u << 24)
#define nvmlTemperature_v1 (unsigned)(sizeof(nvmlTemperature_v1_t) | 1u << 24)

static unsigned started, generation;
/* Handles of an earlier start stay apart from those of a later one, as a stale handle must fail. */
static struct { unsigned index, generation; } devices[64][MAX_GPUS];

static int find(const char *key, char *value) {
    const char *path = getenv("NVML_STATE");
    FILE *file = path ? fopen(path, "r") : NULL;
    char line[VALUE_SIZE];
    size_t length = strlen(key);
    int found = 0;
    while (file && !found && fgets(line, sizeof line, file)) {
        if (strncmp(line, key, length) == 0 && line[length] == ' ') {
            line[strcspn(line, "\n")] = 0;
            strcpy(value, line + length + 1);
            found = 1;
        }
    }
    if (file) fclose(file);
    return found;
}

static int error_of(const char *key) {
    char value[VALUE_SIZE];
    return find(key, value) ? atoi(value) : NVML_SUCCESS;
}

static nvmlReturn_t check(const char *function) {
    char key[VALUE_SIZE];
    snprintf(key, sizeof key, "%s.error", function);
    if (error_of(key)) return error_of(key);
    return started ? NVML_SUCCESS : NVML_ERROR_UNINITIALIZED;
}

static nvmlReturn_t check_device(nvmlDevice_t device, const char *function) {
    char key[VALUE_SIZE];
    nvmlReturn_t result = check(function);
    if (result) return result;
    if (!device || device->generation != generation) return NVML_ERROR_INVALID_ARGUMENT;
    snprintf(key, sizeof key, "%u.error", device->index);
    if (error_of(key)) return error_of(key);
    snprintf(key, sizeof key, "%u.%s.error", device->index, function);
    return error_of(key);
}

static int device_value(nvmlDevice_t device, const char *name, char *value) {
    char key[VALUE_SIZE];
    snprintf(key, sizeof key, "%u.%s", device->index, name);
    return find(key, value);
}

static nvmlReturn_t number(
    nvmlDevice_t device, const char *function, const char *name, unsigned long long *answer) {
    char value[VALUE_SIZE];
    nvmlReturn_t result = check_device(device, function);
    if (result) return result;
    if (!device_value(device, name, value)) return NVML_ERROR_NOT_SUPPORTED;
    *answer = strtoull(value, NULL, 10);
    return NVML_SUCCESS;
}

static nvmlReturn_t unsigned_number(
    nvmlDevice_t device, const char *function, const char *name, unsigned *answer) {
    unsigned long long wide = 0;
    nvmlReturn_t result = number(device, function, name, &wide);
    if (!result) *answer = (unsigned)wide;
    return result;
}

static nvmlReturn_t text(
    nvmlDevice_t device, const char *function, const char *name, char *answer, unsigned size) {
    char value[VALUE_SIZE];
    nvmlReturn_t result = check_device(device, function);
    if (result) return result;
    if (!device_value(device, name, value)) return NVML_ERROR_NOT_SUPPORTED;
    if (strlen(value) >= size) return NVML_ERROR_INSUFFICIENT_SIZE;
    strcpy(answer, value);
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlInitWithFlags(unsigned flags) {
    (void)flags;
    if (error_of("nvmlInitWithFlags.error")) return error_of("nvmlInitWithFlags.error");
    if (!started++) generation++;
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlShutdown(void) {
    nvmlReturn_t result = check("nvmlShutdown");
    if (!result) started--;
    return result;
}

const char *nvmlErrorString(nvmlReturn_t result) {
    return result == NVML_SUCCESS ? "The operation was successful" : "An error of the test's NVML";
}

nvmlReturn_t nvmlSystemGetDriverVersion(char *version, unsigned size) {
    char value[VALUE_SIZE] = "";
    nvmlReturn_t result = check("nvmlSystemGetDriverVersion");
    if (result) return result;
    find("driver_version", value);
    snprintf(version, size, "%s", value);
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetCount_v2(unsigned *count) {
    char value[VALUE_SIZE] = "0";
    nvmlReturn_t result = check("nvmlDeviceGetCount_v2");
    if (result) return result;
    find("count", value);
    *count = (unsigned)atoi(value);
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetHandleByIndex_v2(unsigned index, nvmlDevice_t *device) {
    unsigned count = 0;
    nvmlReturn_t result = nvmlDeviceGetCount_v2(&count);
    if (result) return result;
    if (index >= count || index >= MAX_GPUS) return NVML_ERROR_INVALID_ARGUMENT;
    nvmlDevice_t found = (nvmlDevice_t)&devices[generation % 64][index];
    found->index = index;
    found->generation = generation;
    *device = found;
    return check_device(found, "nvmlDeviceGetHandleByIndex_v2");
}

nvmlReturn_t nvmlDeviceGetUUID(nvmlDevice_t device, char *uuid, unsigned size) {
    return text(device, "nvmlDeviceGetUUID", "uuid", uuid, size);
}

nvmlReturn_t nvmlDeviceGetName(nvmlDevice_t device, char *name, unsigned size) {
    return text(device, "nvmlDeviceGetName", "name", name, size);
}

nvmlReturn_t nvmlDeviceGetPciInfo_v3(nvmlDevice_t device, nvmlPciInfo_t *pci) {
    memset(pci, 0, sizeof *pci);
    return text(device, "nvmlDeviceGetPciInfo_v3", "pci_bus_id", pci->busId, sizeof pci->busId);
}

nvmlReturn_t nvmlDeviceGetUtilizationRates(nvmlDevice_t device, nvmlUtilization_t *rates) {
    const char *function = "nvmlDeviceGetUtilizationRates";
    nvmlReturn_t result = unsigned_number(device, function, "utilization", &rates->gpu);
    return result ? result
                  : unsigned_number(device, function, "memory_utilization", &rates->memory);
}

nvmlReturn_t nvmlDeviceGetMemoryInfo_v2(nvmlDevice_t device, nvmlMemory_v2_t *memory) {
    const char *function = "nvmlDeviceGetMemoryInfo_v2";
    if (memory->version != nvmlMemory_v2) return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
    nvmlReturn_t result = number(device, function, "memory_total", &memory->total);
    if (!result) result = number(device, function, "memory_reserved", &memory->reserved);
    if (!result) result = number(device, function, "memory_used", &memory->used);
    if (!result) memory->free = memory->total - memory->reserved - memory->used;
    return result;
}

nvmlReturn_t nvmlDeviceGetMemoryInfo(nvmlDevice_t device, nvmlMemory_t *memory) {
    const char *function = "nvmlDeviceGetMemoryInfo";
    unsigned long long reserved = 0;
    nvmlReturn_t result = number(device, function, "memory_total", &memory->total);
    if (!result) result = number(device, function, "memory_reserved", &reserved);
    if (!result) result = number(device, function, "memory_used", &memory->used);
    memory->used += reserved; /* the first version counts it as used */
    memory->free = memory->total - memory->used;
    return result;
}

nvmlReturn_t nvmlDeviceGetTemperatureV(nvmlDevice_t device, nvmlTemperature_v1_t *temperature) {
    unsigned degrees = 0;
    if (temperature->version != nvmlTemperature_v1) return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
    if (temperature->sensorType) return NVML_ERROR_INVALID_ARGUMENT;
    nvmlReturn_t result =
        unsigned_number(device, "nvmlDeviceGetTemperatureV", "temperature", &degrees);
    temperature->temperature = (int)degrees;
    return result;
}

nvmlReturn_t nvmlDeviceGetTemperature(nvmlDevice_t device, unsigned sensor, unsigned *degrees) {
    if (sensor) return NVML_ERROR_INVALID_ARGUMENT;
    return unsigned_number(device, "nvmlDeviceGetTemperature", "temperature", degrees);
}

nvmlReturn_t nvmlDeviceGetPowerUsage(nvmlDevice_t device, unsigned *milliwatts) {
    return unsigned_number(device, "nvmlDeviceGetPowerUsage", "power", milliwatts);
}

nvmlReturn_t nvmlDeviceGetEnforcedPowerLimit(nvmlDevice_t device, unsigned *milliwatts) {
    return unsigned_number(device, "nvmlDeviceGetEnforcedPowerLimit", "power_limit", milliwatts);
}

nvmlReturn_t nvmlDeviceGetTotalEnergyConsumption(
    nvmlDevice_t device, unsigned long long *millijoules) {
    return number(device, "nvmlDeviceGetTotalEnergyConsumption", "energy", millijoules);
}

nvmlReturn_t nvmlDeviceGetFanSpeed(nvmlDevice_t device, unsigned *percent) {
    return unsigned_number(device, "nvmlDeviceGetFanSpeed", "fan", percent);
}

nvmlReturn_t nvmlDeviceGetClockInfo(nvmlDevice_t device, unsigned domain, unsigned *megahertz) {
    static const char *const names[] = {"clock_graphics", "clock_sm", "clock_memory"};
    if (domain > 2) return NVML_ERROR_INVALID_ARGUMENT;
    return unsigned_number(device, "nvmlDeviceGetClockInfo", names[domain], megahertz);
}

nvmlReturn_t nvmlDeviceGetTotalEccErrors(
    nvmlDevice_t device, unsigned type, unsigned counter, unsigned long long *count) {
    if (type > 1 || counter > 1) return NVML_ERROR_INVALID_ARGUMENT;
    char name[64];
    snprintf(name, sizeof name, "ecc_%s_%s", counter ? "aggregate" : "volatile",
             type ? "uncorrected" : "corrected");
    return number(device, "nvmlDeviceGetTotalEccErrors", name, count);
}

nvmlReturn_t nvmlDeviceGetCurrentClocksEventReasons(
    nvmlDevice_t device, unsigned long long *bits) {
    return number(device, "nvmlDeviceGetCurrentClocksEventReasons", "throttle", bits);
}

nvmlReturn_t nvmlDeviceGetCurrentClocksThrottleReasons(
    nvmlDevice_t device, unsigned long long *bits) {
    return number(device, "nvmlDeviceGetCurrentClocksThrottleReasons", "throttle", bits);
}

nvmlReturn_t nvmlDeviceGetPcieThroughput(
    nvmlDevice_t device, unsigned counter, unsigned *kilobytes) {
    if (counter > 1) return NVML_ERROR_INVALID_ARGUMENT;
    return unsigned_number(device, "nvmlDeviceGetPcieThroughput",
                           counter ? "pcie_receive" : "pcie_transmit", kilobytes);
}

nvmlReturn_t nvmlDeviceGetCurrPcieLinkGeneration(nvmlDevice_t device, unsigned *link) {
    return unsigned_number(
        device, "nvmlDeviceGetCurrPcieLinkGeneration", "pcie_generation", link);
}

nvmlReturn_t nvmlDeviceGetCurrPcieLinkWidth(nvmlDevice_t device, unsigned *width) {
    return unsigned_number(device, "nvmlDeviceGetCurrPcieLinkWidth", "pcie_width", width);
}

static nvmlReturn_t processes(nvmlDevice_t device, const char *function, const char *name,
                              unsigned *count, nvmlProcessInfo_v2_t *infos) {
    char value[VALUE_SIZE] = "";
    unsigned found = 0, room = *count;
    nvmlReturn_t result = check_device(device, function);
    if (result) return result;
    device_value(device, name, value);
    for (char *item = strtok(value, ","); item; item = strtok(NULL, ","), found++) {
        if (!infos || found >= room) continue;
        memset(&infos[found], 0, sizeof infos[found]);
        infos[found].pid = (unsigned)strtoul(item, &item, 10);
        /* "pid:-" is a process whose memory the driver does not tell. */
        infos[found].usedGpuMemory = item[1] == '-' ? ~0ULL : strtoull(item + 1, NULL, 10);
        infos[found].gpuInstanceId = infos[found].computeInstanceId = ~0u;
    }
    *count = found;
    return found > room ? NVML_ERROR_INSUFFICIENT_SIZE : NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetComputeRunningProcesses_v3(
    nvmlDevice_t device, unsigned *count, nvmlProcessInfo_v2_t *infos) {
    return processes(
        device, "nvmlDeviceGetComputeRunningProcesses_v3", "compute", count, infos);
}

nvmlReturn_t nvmlDeviceGetGraphicsRunningProcesses_v3(
    nvmlDevice_t device, unsigned *count, nvmlProcessInfo_v2_t *infos) {
    return processes(
        device, "nvmlDeviceGetGraphicsRunningProcesses_v3", "graphics", count, infos);
}
