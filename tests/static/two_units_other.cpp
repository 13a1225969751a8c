#include "all_headers.hpp"

const void* address_in_other() { return &kvstrata::version; }
