#include "resp/reply_writer.h"
