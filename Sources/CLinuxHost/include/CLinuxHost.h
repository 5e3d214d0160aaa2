static inline int linux_host_placeholder(void){return 0;}
