/* What the shared library's -init does: Paho's mutexes refuse to be locked twice. Linked by toolchains/paho.cmake. */
int MQTTAsync_init(void);
void weir_paho_start(void);

__attribute__((constructor)) void weir_paho_start(void) { MQTTAsync_init(); }
