// Our headers after the macros that others leave behind. What we include of others comes first: it is not ours to
// defend. Each macro expands to what no grammar accepts, so that using its name shows.
#include "foreign_headers.hpp"

// clang-format off
// <complex.h>
#define I %%hostile
// <windows.h>
#define min(a, b) %%hostile
#define max(a, b) %%hostile
#define small %%hostile
#define near %%hostile
#define far %%hostile
#define interface %%hostile
#define IN %%hostile
#define OUT %%hostile
#define OPTIONAL %%hostile
#define CONST %%hostile
#define ERROR %%hostile
#define DELETE %%hostile
#define NO_ERROR %%hostile
#define TRUE %%hostile
#define FALSE %%hostile
// <termios.h>, <sys/sysmacros.h>
#define B0 %%hostile
#define B1 %%hostile
#undef major
#undef minor
#define major(x) %%hostile
#define minor(x) %%hostile
// <X11/Xlib.h>
#define Status %%hostile
#define None %%hostile
#define Bool %%hostile
#define Success %%hostile
// common habits
#define PAGE_SIZE %%hostile
#define LOG(x) %%hostile
#define CHECK(x) %%hostile
#define ASSERT(x) %%hostile
// clang-format on

#include "all_headers.hpp"
