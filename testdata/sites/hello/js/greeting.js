export function greeting(hour) {
  if (hour < 12) return 'good morning';
  return hour < 18 ? 'good afternoon' : 'good evening';
}
