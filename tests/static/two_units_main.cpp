// Two translation units, all headers in both: they link, and an inline variable is one object.
#include "all_headers.hpp"

const void* address_in_other();

int main() { return address_in_other() == &kvstrata::version ? 0 : 1; }
