#include "CLinuxHost.h"
